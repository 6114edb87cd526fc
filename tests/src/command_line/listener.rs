//! An HTTP server of this machine that tells of each request.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};

pub struct Received {
    pub path: String,
    /// In lower case, the first line included.
    pub head: String,
    pub body: Vec<u8>,
}

/// Its address, and the requests. Each is answered with the status that it is given, `204 No Content`, and no body.
pub fn listen(mut status: impl FnMut(&Received) -> &'static str + Send + 'static) -> (String, Receiver<Received>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port of this machine is free");
    let address = format!("http://{}", listener.local_addr().expect("it has an address"));
    let (tell, told) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let Some(request) = read(&stream) else { continue };
            let head = format!("HTTP/1.1 {}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n", status(&request));
            let _ = (&stream).write_all(head.as_bytes());
            if tell.send(request).is_err() {
                return;
            }
        }
    });
    (address, told)
}

fn read(stream: &TcpStream) -> Option<Received> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let head = head.to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "))?.trim().parse().ok()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Received { path: head.split(' ').nth(1)?.to_owned(), head, body })
}
