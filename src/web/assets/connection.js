// The daemon's WebSocket: connects again when it is gone, without a reload of the page.

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 8000;

/** Calls `take.event(object)`, `take.rows(view)` and `take.connected(boolean)` until the page is left. */
export function connect(take) {
  let pause = FIRST_PAUSE_MS;
  const open = () => {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${location.host}/api/live`);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      pause = FIRST_PAUSE_MS;
      take.connected(true);
    };
    socket.onmessage = ({ data }) => {
      if (typeof data === "string") take.event(JSON.parse(data));
      else take.rows(readRows(data));
    };
    socket.onclose = () => {
      take.connected(false);
      setTimeout(open, pause);
      pause = Math.min(2 * pause, LONGEST_PAUSE_MS);
    };
  };
  open();
}

/** Rows as `src/web/canvas.rs` writes them. */
function readRows(data) {
  const view = new DataView(data);
  const short = (index) => view.getUint16(2 + 2 * index, true);
  return {
    channels: view.getUint8(1),
    width: short(0),
    height: short(1),
    firstRow: short(2),
    rows: short(3),
    factor: short(4),
    frame: view.getUint32(12, true),
    field: view.getUint32(16, true),
    samples: new Uint16Array(data, 20),
  };
}

/** Asks the daemon to do something; throws an error with its sentence when it does not. */
export async function post(path, body) {
  const response = await fetch(path, {
    method: "POST",
    headers: body === undefined ? {} : { "content-type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(answer.error ?? `the daemon answered ${response.status}`);
  return answer;
}
