//! A running service with subscribers beside it.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, sync_channel},
    thread::JoinHandle,
};

use crate::support::{Ended, HUNG, endpoints, program, run};

/// A program that runs; killed when the test is over.
pub(crate) struct Running {
    child: Child,
    lines: Receiver<String>,
    err: Option<JoinHandle<String>>,
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let mut err = child.stderr.take().unwrap();
        let (to, lines) = sync_channel(1 << 16);
        std::thread::spawn(move || {
            for line in out.lines() {
                if to.send(line.unwrap()).is_err() {
                    break;
                }
            }
        });
        let err = std::thread::spawn(move || {
            let mut text = String::new();
            err.read_to_string(&mut text).unwrap();
            text
        });
        Self {
            child,
            lines,
            err: Some(err),
        }
    }

    /// The next line of its standard output.
    pub(crate) fn line(&self) -> String {
        self.lines.recv_timeout(HUNG).unwrap()
    }

    /// Sends a signal as people do.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args([name, &id]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for its end; `out` has the lines that were not taken.
    pub(crate) fn end(mut self) -> Ended {
        let mut out = String::new();
        loop {
            match self.lines.recv_timeout(HUNG) {
                Ok(line) => out.push_str(&format!("{line}\n")),
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => break,
                Err(hung) => panic!("{hung}"),
            }
        }
        let code = self.child.wait().unwrap().code();
        let err = self.err.take().unwrap().join().unwrap();
        Ended {
            code,
            out: out.into_bytes(),
            err,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A service on ports of its own.
pub(crate) struct Scene {
    pub(crate) endpoints: [String; 3],
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self {
            endpoints: endpoints(),
        }
    }

    /// The simulated microscope at its own pace, small fields.
    pub(crate) fn service(&self, arguments: &[&str]) -> Running {
        let mut fields: Vec<_> = [
            "scan.width=320",
            "scan.height=320",
            "scan.pixel_size_um=0.25",
        ]
        .into_iter()
        .flat_map(|setting| ["--set", setting])
        .collect();
        fields.extend(arguments);
        self.run(&fields)
    }

    /// The service on the ports of the scene.
    pub(crate) fn run(&self, arguments: &[&str]) -> Running {
        let mut command = program();
        command.arg("run");
        for (name, endpoint) in ["labels", "maps", "control"].iter().zip(&self.endpoints) {
            command.args(["--set", &format!("publish.{name}={endpoint}")]);
        }
        command.args(arguments);
        Running::start(command)
    }

    pub(crate) fn watch(&self, arguments: &[&str]) -> Running {
        let [labels, maps, control] = &self.endpoints;
        let mut command = program();
        command.args(["watch", "--until-end", "--json", "--labels", labels]);
        command.args(["--maps-endpoint", maps, "--control", control]);
        command.args(arguments);
        Running::start(command)
    }

    pub(crate) fn ctl(&self, what: &str) -> Ended {
        run([
            "ctl",
            what,
            "--json",
            "--timeout",
            "120",
            "--endpoint",
            &self.endpoints[2],
        ])
    }
}
