//! Alerts on their way: to HTTP servers and a mail server of this machine.

use crate::listener::{Received, listen};
use crate::process::{Folder, data};
use crate::workers::{Daemon, fine};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

/// A request: its path, its headers in lower case, its body.
type Request = (String, String, Value);

/// Answers every request, the first one at `/hook` with an error; tells of each.
fn http() -> (String, Receiver<Received>) {
    let mut fails = true;
    listen(move |request| if request.path == "/hook" && std::mem::take(&mut fails) { "503 No" } else { "204 Yes" })
}

fn read(request: Received) -> Request {
    let body = serde_json::from_slice(&request.body).expect("an alert is JSON");
    (request.path, request.head, body)
}

/// A mail server that speaks TLS from the first byte and tells of each mail.
fn smtp() -> (u16, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port of this machine is free");
    let port = listener.local_addr().expect("it has an address").port();
    let folder = data().join("mail");
    let certificate = CertificateDer::from_pem_file(folder.join("certificate.pem")).expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(folder.join("key.pem")).expect("a key");
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions of TLS")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("they belong together");
    let config = Arc::new(config);
    let (tell, told) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let connection = rustls::ServerConnection::new(config.clone()).expect("a connection");
            let _ = converse(rustls::StreamOwned::new(connection, stream), &tell);
        }
    });
    (port, told)
}

fn converse(stream: impl Read + Write, tell: &Sender<String>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    stream.get_mut().write_all(b"220 localhost\r\n")?;
    let mut line = String::new();
    while stream.read_line(&mut line)? > 0 {
        let answer = match line.split([' ', '\r']).next().unwrap_or_default() {
            "EHLO" => "250-localhost\r\n250 AUTH PLAIN\r\n",
            "AUTH" => "235 welcome\r\n",
            "DATA" => {
                stream.get_mut().write_all(b"354 go on\r\n")?;
                let mut mail = line.clone();
                while !mail.ends_with("\r\n.\r\n") {
                    stream.read_line(&mut mail)?;
                }
                let _ = tell.send(mail);
                "250 taken\r\n"
            }
            "QUIT" => "221 bye\r\n",
            _ => "250 fine\r\n",
        };
        stream.get_mut().write_all(answer.as_bytes())?;
        stream.get_mut().flush()?;
        line.clear();
    }
    Ok(())
}

/// A budget of which a threshold was crossed.
const CROSSED: &str = "INSERT INTO usage_budgets (budget_id, name, scope, subject, period, period_start, time_zone, limit_pico,
    limit_version, held_pico, settled_pico, unknown_pico, breaches)
  VALUES (1, 'sales & <co>', 'team', 'default', 'month', '2026-11-01', 'UTC', 500000000000000, 1, 0, 450000000000000, 0, 0);
  INSERT INTO usage_alerts (budget_id, limit_version, threshold, level, spent_pico, limit_pico, at)
  VALUES (1, 1, 75, 'info', 380000000000000, 500000000000000, 1763800000000000),
         (1, 1, 90, 'warn', 450000000000000, 500000000000000, 1763800000000000)";

#[test]
fn reach_every_destination() {
    let (http, requests) = http();
    let (port, mails) = smtp();
    let folder = Folder::new().on_server();
    let authority = data().join("mail/certificate.pem");
    let settings = format!(
        r#"
[[alerts]]
to = "webhook"
url = "{http}/hook"
secret_from = "ALERT_SECRET"
levels = ["warn", "block"]

[[alerts]]
to = "slack"
url_from = "SLACK_URL"
levels = ["warn"]

[[alerts]]
to = "discord"
url = "{http}/discord"
levels = ["info"]

[[alerts]]
to = "email"
server = "smtps://pmflow@localhost:{port}"
password_from = "MAIL_PASSWORD"
authority = "{}"
from = "pmflow <pmflow@example.org>"
recipients = ["ada@example.org"]
levels = ["warn"]
"#,
        authority.canonicalize().expect("it is there").display()
    );
    folder.write("pmflow.toml", settings);
    let without = folder.pmflow("worker");
    assert_eq!(without.code, Some(3));
    assert!(without.err.contains("the environment variable ALERT_SECRET is not set"), "{}", without.err);

    folder.execute(CROSSED);
    let mut command = folder.command(&["worker"]);
    command.env("ALERT_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").env("MAIL_PASSWORD", "x");
    command.env("SLACK_URL", format!("{http}/slack"));
    let worker = Daemon::start(command);
    let mail = mails.recv().expect("a mail comes");
    // One to each, and the refused one again.
    let told: Vec<Request> = requests.iter().take(4).map(read).collect();
    let of = |path: &str| told.iter().filter(|(at, ..)| at == path).collect::<Vec<_>>();
    let [(_, first, refused), (_, second, event)] = of("/hook")[..] else { panic!("{told:?}") };
    assert_eq!(refused, event);
    let id = |head: &str| head.lines().find_map(|line| line.strip_prefix("webhook-id: ").map(str::to_owned));
    assert_eq!(id(first), id(second), "both attempts have one key");
    assert_eq!(id(first).as_deref(), event["id"].as_str());
    assert!(first.contains("webhook-signature: v1,") && first.contains("webhook-timestamp: "), "{first}");
    assert_eq!(event["type"], "budget.alert");
    let data = &event["data"];
    assert_eq!((&data["level"], &data["threshold_percent"]), (&Value::from("warn"), &Value::from(90)));
    assert_eq!((data["spent_dollars"].as_str(), data["limit_dollars"].as_str()), (Some("450"), Some("500")));
    let slack = of("/slack")[0].2["text"].as_str().expect("a text").to_owned();
    assert!(slack.contains("`sales &amp; &lt;co&gt;`") && slack.contains("$450.00 of $500.00 are spent"), "{slack}");
    let discord = &of("/discord")[0].2;
    assert!(
        discord["content"].as_str().is_some_and(|text| text.starts_with("info: the monthly budget `sales & <co>`")),
        "{discord}"
    );
    assert_eq!(discord["allowed_mentions"]["parse"].as_array().map(Vec::len), Some(0));
    let key = event["id"].as_str().expect("a key");
    assert!(mail.contains(&format!("Message-ID: <{key}@pmflow>")) && mail.contains("To: ada@example.org"), "{mail}");
    assert!(mail.contains("Subject: warn: the monthly budget"), "{mail}");
    // Nothing is open any more.
    while fine(&folder, "budget show").contains("warn: ") {
        std::thread::yield_now();
    }
    worker.signal("TERM");
    assert_eq!(worker.ended().0, Some(0));
}

#[test]
fn wrong_destinations_are_said_before_work_begins() {
    let cases = [
        ("to = \"slack\"", "it has no `url`"),
        ("to = \"webhook\"\nurl = \"ftp://x\"", "does not begin with https://"),
        (
            "to = \"email\"\nserver = \"imap://x\"\nfrom = \"a@example.org\"\nrecipients = [\"b@example.org\"]",
            "is no mail server",
        ),
        ("to = \"email\"\nserver = \"smtps://u:secret@x\"\nfrom = \"a@example.org\"", "does not stand in its address"),
        ("to = \"email\"\nserver = \"smtps://x\"\nfrom = \"nobody\"\nrecipients = [\"b@example.org\"]", "is no mail address"),
        ("to = \"email\"\nserver = \"smtps://x\"\nfrom = \"a@example.org\"", "nobody is named"),
        ("to = \"pigeon\"", "unknown variant"),
    ];
    for (settings, expected) in cases {
        let folder = Folder::new();
        folder.write("pmflow.toml", format!("[[alerts]]\n{settings}\n"));
        let said = folder.pmflow("worker");
        assert_eq!(said.code, Some(3), "{settings}: {}", said.err);
        assert!(said.err.contains(expected) && !said.err.contains("secret"), "{settings}: {}", said.err);
    }
}
