//! As much of HTTP/1.1 as the fakes need, one request a connection.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::Arc,
    time::Duration,
};

/// A request.
#[derive(Debug, Clone, Default)]
pub struct Request {
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Whether the client showed a certificate that stands up.
    pub has_certificate: bool,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The values of a key of the query, unescaped.
    pub fn query(&self, key: &str) -> Vec<String> {
        let query = self.path.split_once('?').map_or("", |(_, query)| query);
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.filter(|(name, _)| *name == key).map(|(_, value)| unescape(value)).collect()
    }

    /// The path without its query.
    pub fn place(&self) -> &str {
        self.path.split('?').next().unwrap_or_default()
    }
}

fn unescape(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match first {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits = std::str::from_utf8(&rest[..2]).expect("two digits");
                bytes.push(u8::from_str_radix(digits, 16).expect("hexadecimal"));
                rest = &rest[2..];
            }
            other => bytes.push(*other),
        }
    }
    String::from_utf8(bytes).expect("UTF-8")
}

/// What a server does.
#[derive(Debug, Clone)]
pub enum Reply {
    /// Status, headers and body.
    Full(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// The same after a while.
    Late(Duration, Box<Reply>),
    /// The connection ends without an answer.
    Dropped,
    /// The body ends before its length.
    Cut(Vec<u8>, usize),
}

impl Reply {
    pub fn text(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::Full(status, vec![("Content-Type", "text/plain; charset=utf-8".to_owned())], body.into())
    }

    pub fn json(status: u16, body: impl ToString) -> Self {
        let headers = vec![("Content-Type", "application/json".to_owned())];
        Self::Full(status, headers, body.to_string().into_bytes())
    }

    pub fn write(&self, stream: &mut dyn Write) {
        let head = |status: u16, headers: &[(&'static str, String)], length: usize| {
            let headers: String =
                headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
            format!("HTTP/1.1 {status} X\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n")
        };
        // The other side may have seen enough.
        let _ = match self {
            Self::Full(status, headers, body) => stream
                .write_all(head(*status, headers, body.len()).as_bytes())
                .and_then(|()| stream.write_all(body)),
            Self::Late(time, reply) => {
                std::thread::sleep(*time);
                reply.write(stream);
                Ok(())
            }
            Self::Dropped => Ok(()),
            Self::Cut(body, claimed) => {
                stream.write_all(head(200, &[], *claimed).as_bytes()).and_then(|()| stream.write_all(body))
            }
        }
        .and_then(|()| stream.flush());
    }
}

/// Reads a request; none when the other side only connected.
pub fn read(stream: &mut dyn Read) -> Option<Request> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).expect("a head in ASCII");
    let mut lines = head.lines();
    let mut words = lines.next()?.split(' ').map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let headers = lines.filter_map(|line| line.split_once(':'));
    let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
    let mut request = Request { method, path, headers, ..Request::default() };
    if let Some(length) = request.header("content-length") {
        let mut body = vec![0; length.parse().expect("a length")];
        stream.read_exact(&mut body).ok()?;
        request.body = body;
    }
    Some(request)
}

/// A stream that requests come from.
pub trait Stream: Read + Write + Send {}

impl<T: Read + Write + Send> Stream for T {}

/// Listens on a port of this machine and gives each request, with its stream, to `serve` on a thread of its own.
/// Gives the port.
pub fn listen(
    tls: Option<Arc<rustls::ServerConfig>>,
    serve: impl Fn(&Request, &mut dyn Stream) + Send + Sync + 'static,
) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let serve = Arc::new(serve);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(stream) = stream else { continue };
            let (serve, tls) = (Arc::clone(&serve), tls.clone());
            std::thread::spawn(move || connection(stream, tls, &*serve));
        }
    });
    port
}

fn connection(
    mut stream: TcpStream,
    tls: Option<Arc<rustls::ServerConfig>>,
    serve: &(dyn Fn(&Request, &mut dyn Stream) + Send + Sync),
) {
    let Some(tls) = tls else {
        if let Some(request) = read(&mut stream) {
            serve(&request, &mut stream);
        }
        return;
    };
    let server = rustls::ServerConnection::new(tls).expect("a configuration");
    let mut stream = rustls::StreamOwned::new(server, stream);
    // A client that does not like the certificate ends here.
    if let Some(mut request) = read(&mut stream) {
        request.has_certificate = stream.conn.peer_certificates().is_some();
        serve(&request, &mut stream);
        stream.conn.send_close_notify();
        let _ = stream.flush();
    }
}
