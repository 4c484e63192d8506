//! A client of the language server: messages of the protocol over the program's standard input and output.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use lapstrake_tests::Place;
use serde_json::{Value, json};

/// Time after which a test says that a message does not come; none is nearly that late.
const PATIENCE: Duration = Duration::from_secs(120);

/// The client.
pub struct Client {
    child: Child,
    stdin: Option<ChildStdin>,
    messages: Receiver<Value>,
    /// Came while something else was waited for.
    early: VecDeque<Value>,
    next: i64,
    /// What the server said of itself.
    pub initialized: Value,
}

impl Client {
    /// Starts the server in a place whose `context` is the workspace, with capabilities as editors have them.
    pub fn start(place: &Place, arguments: &[&str], options: Value) -> Self {
        let capabilities = json!({
            "general": {"positionEncodings": ["utf-16"]},
            "textDocument": {
                "publishDiagnostics": {"relatedInformation": true},
                "hover": {"contentFormat": ["markdown", "plaintext"]},
                "completion": {"completionItem": {"documentationFormat": ["markdown"]}},
                "documentSymbol": {"hierarchicalDocumentSymbolSupport": true},
            },
        });
        Self::with(place, arguments, options, capabilities)
    }

    /// The same with other capabilities.
    pub fn with(place: &Place, arguments: &[&str], options: Value, capabilities: Value) -> Self {
        let mut child = place
            .command()
            .arg("lsp")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = child.stdout.take().unwrap();
        let (sender, messages) = channel();
        std::thread::spawn(move || {
            let mut stdout = BufReader::new(stdout);
            while let Some(message) = read(&mut stdout) {
                if sender.send(message).is_err() {
                    return;
                }
            }
        });
        let mut client = Self {
            stdin: child.stdin.take(),
            child,
            messages,
            early: VecDeque::new(),
            next: 0,
            initialized: Value::Null,
        };
        let folder = place.path("context");
        client.initialized = client.ask(
            "initialize",
            json!({
                "processId": std::process::id(),
                "rootUri": uri(&folder),
                "workspaceFolders": [{"uri": uri(&folder), "name": "context"}],
                "capabilities": capabilities,
                "initializationOptions": options,
            }),
        );
        client.notify("initialized", json!({}));
        client
    }

    /// Sends a whole message.
    pub fn send(&mut self, message: &Value) {
        let text = message.to_string();
        let stdin = self.stdin.as_mut().unwrap();
        write!(stdin, "Content-Length: {}\r\n\r\n{text}", text.len()).unwrap();
        stdin.flush().unwrap();
    }

    /// Sends a notification.
    pub fn notify(&mut self, method: &str, params: Value) {
        self.send(&json!({"jsonrpc": "2.0", "method": method, "params": params}));
    }

    /// Sends a request and returns its id.
    pub fn begin(&mut self, method: &str, params: Value) -> i64 {
        self.next += 1;
        self.send(&json!({"jsonrpc": "2.0", "id": self.next, "method": method, "params": params}));
        self.next
    }

    /// Waits for the response to a request.
    pub fn response(&mut self, id: i64) -> Value {
        self.wait(|message| message["id"] == id && message.get("method").is_none())
    }

    /// Sends a request and waits for its result.
    #[track_caller]
    pub fn ask(&mut self, method: &str, params: Value) -> Value {
        let id = self.begin(method, params);
        let response = self.response(id);
        assert!(response.get("error").is_none(), "{method}: {response}");
        response["result"].clone()
    }

    /// Opens a document.
    pub fn open(&mut self, path: &Path, language: &str, text: &str) {
        let document = json!({"uri": uri(path), "languageId": language, "version": 1, "text": text});
        self.notify("textDocument/didOpen", json!({"textDocument": document}));
    }

    /// Replaces a document's text.
    pub fn change(&mut self, path: &Path, version: i64, text: &str) {
        self.edit(path, version, json!([{"text": text}]));
    }

    /// Changes a document's text.
    pub fn edit(&mut self, path: &Path, version: i64, changes: Value) {
        let document = json!({"uri": uri(path), "version": version});
        self.notify(
            "textDocument/didChange",
            json!({"textDocument": document, "contentChanges": changes}),
        );
    }

    /// Waits for the diagnostics of a version of a document.
    pub fn diagnostics(&mut self, path: &Path, version: Option<i64>) -> Vec<Value> {
        let (uri, version) = (uri(path), version.map_or(Value::Null, Value::from));
        let message = self.wait(|message| {
            let params = &message["params"];
            message["method"] == "textDocument/publishDiagnostics"
                && params["uri"] == uri
                && params["version"] == version
        });
        message["params"]["diagnostics"].as_array().unwrap().clone()
    }

    /// Asks about a position of a document.
    #[track_caller]
    pub fn at(&mut self, method: &str, path: &Path, line: u32, character: u32) -> Value {
        self.ask(
            method,
            json!({
                "textDocument": {"uri": uri(path)},
                "position": {"line": line, "character": character},
            }),
        )
    }

    /// Waits for a message.
    pub fn wait(&mut self, mut wanted: impl FnMut(&Value) -> bool) -> Value {
        if let Some(at) = self.early.iter().position(&mut wanted) {
            return self.early.remove(at).unwrap();
        }
        loop {
            let message = self.messages.recv_timeout(PATIENCE);
            let message = message.expect("the server is silent or gone");
            if wanted(&message) {
                return message;
            }
            self.early.push_back(message);
        }
    }

    /// Ends the server as an editor does and returns its exit code.
    pub fn end(mut self) -> i32 {
        self.ask("shutdown", Value::Null);
        self.notify("exit", Value::Null);
        self.child.wait().unwrap().code().unwrap()
    }

    /// Goes away without a word and returns the server's exit code.
    pub fn vanish(mut self) -> i32 {
        self.stdin = None;
        self.child.wait().unwrap().code().unwrap()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The address of a file, whose path MUST need no escapes.
pub fn uri(path: &Path) -> String {
    format!("file://{}", path.display())
}

fn read(from: &mut impl BufRead) -> Option<Value> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if from.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim() {
            "" => break,
            header => {
                if let Some(text) = header.strip_prefix("Content-Length: ") {
                    length = text.parse().unwrap();
                }
            }
        }
    }
    let mut body = vec![0; length];
    from.read_exact(&mut body).ok()?;
    Some(serde_json::from_slice(&body).unwrap())
}
