//! The socket of containerd or CRI-O: gRPC by hand, so that no code is shared with the client.

use std::{
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, Response};

use super::{Script, Shared};
use crate::support::Scratch;

/// What comes of a checkpoint.
#[derive(Debug, Clone)]
pub enum Made {
    /// An archive at the place that was asked for.
    Archive(Vec<u8>),
    /// The same after a while.
    Late(Duration, Vec<u8>),
    /// Success, and no archive.
    Nothing,
    /// A code of gRPC and its message.
    Error(u32, &'static str),
    /// No answer.
    Silence,
}

/// A container of the runtime.
#[derive(Debug, Clone)]
pub struct Container {
    pub id: String,
    pub pod: &'static str,
    pub name: &'static str,
    pub running: bool,
}

/// How it behaves.
#[derive(Clone)]
pub struct Runtime {
    pub containers: Shared<Vec<Container>>,
    pub made: Shared<Script<Made>>,
    /// Containers are gone after a checkpoint.
    pub dies: bool,
    /// Requests that it saw: the method, and for a checkpoint its location and the deadline of the call.
    pub seen: Shared<Vec<String>>,
}

/// An id as runtimes make them.
pub fn id(letter: char) -> String {
    letter.to_string().repeat(64)
}

impl Runtime {
    pub fn new(made: impl IntoIterator<Item = Made>) -> Self {
        let container = |letter, name, running| Container { id: id(letter), pod: "web", name, running };
        Self {
            // The one that ended shares its name with the one that replaced it.
            containers: Shared::new(vec![
                container('a', "app", true),
                container('b', "app", false),
                container('c', "sidecar", true),
            ]),
            made: Shared::new(Script::new(made)),
            dies: false,
            seen: Shared::default(),
        }
    }

    /// Serves on a socket, which is given.
    pub fn serve(&self, scratch: &Scratch) -> PathBuf {
        let path = scratch.path("cri.sock");
        let listener = std::os::unix::net::UnixListener::bind(&path).expect("a socket");
        listener.set_nonblocking(true).expect("set");
        let this = self.clone();
        std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            let _ = runtime.block_on(async move {
                let listener = tokio::net::UnixListener::from_std(listener).expect("a listener");
                loop {
                    let (stream, _) = listener.accept().await.expect("a connection");
                    tokio::spawn(this.clone().connection(stream));
                }
                #[allow(unreachable_code)]
                Ok::<(), ()>(())
            });
        });
        path
    }

    async fn connection(self, stream: tokio::net::UnixStream) {
        let Ok(mut connection) = h2::server::handshake(stream).await else { return };
        while let Some(Ok((request, respond))) = connection.accept().await {
            tokio::spawn(self.clone().call(request, respond));
        }
    }

    async fn call(
        self,
        request: http::Request<h2::RecvStream>,
        mut respond: h2::server::SendResponse<Bytes>,
    ) {
        let method =
            request.uri().path().strip_prefix("/runtime.v1.RuntimeService/").unwrap_or("?").to_owned();
        let deadline =
            request.headers().get("grpc-timeout").map(|value| value.to_str().expect("ASCII").to_owned());
        let mut body = request.into_body();
        let mut message = Vec::new();
        while let Some(Ok(data)) = body.data().await {
            let _ = body.flow_control().release_capacity(data.len());
            message.extend(data);
        }
        let fields = parse(&message[5..]);
        let result = match method.as_str() {
            "Version" => {
                self.seen.lock().push(method);
                Ok([field(1, b"0.1.0"), field(2, b"containerd"), field(3, b"2.1.9"), field(4, b"v1")]
                    .concat())
            }
            "ListContainers" => {
                self.seen.lock().push(method);
                Ok(self
                    .containers
                    .lock()
                    .iter()
                    .flat_map(|container| field(1, &container.message()))
                    .collect())
            }
            "ContainerStatus" => {
                self.seen.lock().push(method);
                let status =
                    [field(1, text(&fields, 1).as_bytes()), field(9, b"registry.local/web@sha256:34")]
                        .concat();
                Ok(field(1, &status))
            }
            "CheckpointContainer" => {
                let location = text(&fields, 2);
                self.seen.lock().push(format!(
                    "{method} {} {}",
                    &text(&fields, 1)[..4],
                    deadline.as_deref().unwrap_or("without deadline")
                ));
                let made = self.made.lock().next();
                if self.dies {
                    self.containers.lock().retain(|container| container.id != text(&fields, 1));
                }
                match made {
                    Made::Silence => std::future::pending().await,
                    Made::Nothing => Ok(Vec::new()),
                    Made::Error(code, message) => Err((code, message)),
                    Made::Archive(bytes) => write(&location, &bytes),
                    Made::Late(time, bytes) => {
                        tokio::time::sleep(time).await;
                        write(&location, &bytes)
                    }
                }
            }
            _ => Err((12, "unknown method for service runtime.v1.RuntimeService")),
        };
        let head = Response::builder().header("content-type", "application/grpc");
        let (code, said) = result.as_ref().err().copied().unwrap_or((0, ""));
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", code.into());
        trailers.insert("grpc-message", percent(said).parse().expect("ASCII"));
        // The client may have gone.
        let Ok(mut send) = respond.send_response(head.body(()).expect("a head"), false) else { return };
        if let Ok(message) = result {
            let mut framed = BytesMut::new();
            framed.put_u8(0);
            framed.put_u32(u32::try_from(message.len()).expect("short"));
            framed.extend_from_slice(&message);
            let _ = send.send_data(framed.freeze(), false);
        }
        let _ = send.send_trailers(trailers);
    }
}

impl Container {
    fn message(&self) -> Vec<u8> {
        let label = |key: &str, value: &str| {
            field(8, &[field(1, key.as_bytes()), field(2, value.as_bytes())].concat())
        };
        [
            field(1, self.id.as_bytes()),
            field(2, id('f').as_bytes()),
            field(3, &field(1, self.name.as_bytes())),
            field(4, &field(1, b"registry.local/web:1")),
            field(5, b"sha256:12"),
            vec![6 << 3, if self.running { 1 } else { 2 }],
            label("io.kubernetes.pod.name", self.pod),
            label("io.kubernetes.pod.namespace", "shop"),
            label("io.kubernetes.pod.uid", "u-1"),
            label("io.kubernetes.container.name", self.name),
        ]
        .concat()
    }
}

/// As runtimes write it: the archive is theirs alone.
fn write(location: &str, bytes: &[u8]) -> Result<Vec<u8>, (u32, &'static str)> {
    let path = Path::new(location);
    let mut options = std::fs::OpenOptions::new();
    let opened = options.write(true).create(true).truncate(false).mode(0o600).open(path);
    let written = opened.and_then(|mut file| std::io::Write::write_all(&mut file, bytes));
    written.map(|()| Vec::new()).map_err(|_| (2, "open: no such file or directory"))
}

/// A length-delimited field.
fn field(tag: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![tag << 3 | 2];
    let mut length = bytes.len();
    while length > 0x7f {
        out.push(u8::try_from(length & 0x7f).expect("7 bits") | 0x80);
        length >>= 7;
    }
    out.push(u8::try_from(length).expect("7 bits"));
    out.extend(bytes);
    out
}

/// The length-delimited fields of a message; numbers are left out.
fn parse(message: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut rest = message.iter().copied();
    let number = |rest: &mut dyn Iterator<Item = u8>| {
        let mut value = 0_u64;
        for shift in (0..).step_by(7) {
            let byte = rest.next().expect("a byte");
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        value
    };
    let mut fields = Vec::new();
    while let Some(key) = rest.next() {
        let value = number(&mut rest);
        if key & 7 == 2 {
            fields.push((key >> 3, rest.by_ref().take(usize::try_from(value).expect("short")).collect()));
        }
    }
    fields
}

fn text(fields: &[(u8, Vec<u8>)], tag: u8) -> String {
    let field = fields.iter().find(|(known, _)| *known == tag).expect("the field");
    String::from_utf8(field.1.clone()).expect("UTF-8")
}

/// What gRPC does with bytes that are no plain ASCII.
fn percent(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'%' => "%25".to_owned(),
            b' '..=b'~' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}

/// Takes the right to connect from everybody.
pub fn close(socket: &Path) {
    std::fs::set_permissions(socket, std::fs::Permissions::from_mode(0)).expect("set");
}
