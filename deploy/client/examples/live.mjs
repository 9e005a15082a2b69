// Labels as they come, without ZeroMQ: plain JavaScript over the HTTP events of the daemon (Node 18 or later).
//
//     node live.mjs [http://127.0.0.1:8080] [COUNT]
//
// In a browser `new EventSource("/api/labels")` does the same, and connects again by itself.

const [address = "http://127.0.0.1:8080", count = "Infinity"] = process.argv.slice(2);
const answer = await fetch(`${address}/api/labels`, { headers: { accept: "text/event-stream" } });
if (!answer.ok) throw new Error(`${address} answers ${answer.status}: ${await answer.text()}`);

let [rest, left] = ["", Number(count)];
read: for await (const text of answer.body.pipeThrough(new TextDecoderStream())) {
  const events = (rest + text).split("\n\n");
  rest = events.pop();
  for (const event of events) {
    const field = (name) => event.split("\n").find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
    if (field("event") !== "label") continue;
    const { frame, cell, label, p } = JSON.parse(field("data"));
    console.log(`frame ${frame}, cell ${cell}: ${label}, senescent with ${Math.round(100 * p[1])} %`);
    if ((left -= 1) <= 0) break read;
  }
}
