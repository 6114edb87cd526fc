//! What is sent to webhooks, over HTTP, as a service would send it.

use crate::process::Folder;
use crate::workers::{Daemon, fine, listening};
use pmflow_host::signature::sign;
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};

const FLOW: &str = r#"type Order {
  id:     text(max 40 chars)
  amount: int(1..1000)
  note:   text?
}

flow on_order(shop: text) {
  webhook: order: Order verify hmac secret("SHOP_SECRET") limit 3 per day
  output { shop: shop, id: order.id, amount: order.amount }
}
"#;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

struct Answer {
    status: u16,
    json: Value,
    head: String,
}

type Headers<'h> = Vec<(&'h str, String)>;

/// Sends a body as JSON, with its length.
fn post(address: &str, path: &str, headers: &Headers<'_>, body: &str) -> Answer {
    let mut all = vec![("content-type", "application/json".to_owned()), ("content-length", body.len().to_string())];
    all.retain(|(name, _)| !headers.iter().any(|(given, _)| given == name));
    all.extend(headers.iter().cloned());
    let lines: String = all.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let mut stream = std::net::TcpStream::connect(address).expect("it listens");
    let head = format!("POST {path} HTTP/1.1\r\nhost: here\r\nconnection: close\r\n{lines}\r\n");
    stream.write_all(head.as_bytes()).expect("a request can be sent");
    stream.write_all(body.as_bytes()).expect("a body can be sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer can be read");
    let (head, body) = answer.split_once("\r\n\r\n").expect("it has a head");
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("it has a status");
    Answer { status, json: serde_json::from_str(body).unwrap_or(Value::Null), head: head.to_owned() }
}

fn signed(id: &str, body: &str) -> Headers<'static> {
    sign(SECRET, id, pmflow_host::now(), body.as_bytes()).to_vec()
}

#[test]
fn start_one_run_for_each_delivery() {
    let folder = Folder::new();
    folder.write("order.pmflow", FLOW);
    let missing = folder.pmflow("deploy order.pmflow");
    assert!(missing.err.contains("the input `shop` is missing"), "{}", missing.err);
    let said = folder.pmflow("deploy order.pmflow --input shop=north");
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.err.contains("takes what is sent to /hooks/on_order, up to 3 runs a day"), "{}", said.err);
    let mut command = folder.command(&["serve", "--worker", "--listen", "127.0.0.1:0", "--body-max", "2000"]);
    let mut served = Daemon::start({
        command.env("SHOP_SECRET", SECRET);
        command
    });
    let address = listening(&mut served);
    let at = "/hooks/on_order";
    let body = r#"{"id":"A-1","amount":12,"more":"is left out"}"#;

    let first = post(&address, at, &signed("m1", body), body);
    assert_eq!(first.status, 202, "{}", first.json);
    let run = first.json["run"].as_str().expect("the run is named").to_owned();
    assert!(served.hear("run ended").contains(&run));
    let again = post(&address, at, &signed("m1", body), body);
    assert_eq!((again.status, &again.json), (200, &json!({ "run": run, "repeated": true })));

    let wrong: Vec<(u16, Headers<'_>, &str, &str)> = vec![
        (401, vec![], body, "it bears no signature"),
        (401, signed("m9", "{}"), body, "does not fit its body"),
        (
            401,
            sign(SECRET, "m9", pmflow_host::now() - 900_000_000, body.as_bytes()).to_vec(),
            body,
            "it was signed 900 s from now",
        ),
        (400, signed("m9", "{"), "{", "the body is not JSON"),
        (422, signed("m9", r#"{"id":"x"}"#), r#"{"id":"x"}"#, "does not fit the flow's `order`"),
        (415, vec![("content-type", "text/plain".to_owned())], body, "application/json"),
        (413, vec![("content-length", "104857600".to_owned())], "", "the body may have 2000 bytes"),
    ];
    for (status, headers, body, expected) in wrong {
        let answer = post(&address, at, &headers, body);
        assert_eq!(answer.status, status, "{}", answer.json);
        assert!(answer.json["error"].as_str().is_some_and(|error| error.contains(expected)), "{expected}: {}", answer.json);
    }
    let large = r#"{"id":"A-2","amount":5000}"#;
    let answer = post(&address, at, &signed("m9", large), large);
    let told = (answer.json["path"].as_str(), answer.json["expected"].as_str(), answer.json["found"].as_str());
    assert_eq!((answer.status, told), (422, (Some("amount"), Some("an int from 1 to 1000"), Some("the int 5000"))));
    assert_eq!(post(&address, "/hooks/other", &signed("m9", body), body).status, 404);

    for id in ["m2", "m3"] {
        assert_eq!(post(&address, at, &signed(id, body), body).status, 202);
        served.hear("run ended");
    }
    let full = post(&address, at, &signed("m4", body), body);
    assert_eq!(full.status, 429, "{}", full.json);
    assert!(full.head.to_ascii_lowercase().contains("retry-after:"), "{}", full.head);
    assert_eq!(post(&address, at, &signed("m1", body), body).status, 200, "what was taken is known even then");
    served.signal("TERM");
    assert_eq!(served.ended().0, Some(0));
    let outputs = fine(&folder, "outputs --run all --format jsonl --fields value");
    let expected = json!({ "value": { "shop": "north", "id": "A-1", "amount": 12 } }).to_string();
    assert_eq!(outputs.lines().collect::<Vec<_>>(), [expected.as_str(); 3]);
}
