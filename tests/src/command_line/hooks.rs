//! What is sent to webhooks, over HTTP, as a service would send it.

use crate::process::Folder;
use crate::workers::{Daemon, fine, listening};
use pmflow_host::signature::sign;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
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

/// Sends 100 MB in chunks, without saying before how much it will be; the status, and how much of it was taken.
fn post_without_end(address: &str, path: &str) -> (u16, usize) {
    let mut stream = std::net::TcpStream::connect(address).expect("it listens");
    let head = "host: here\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(format!("POST {path} HTTP/1.1\r\n{head}").as_bytes()).expect("a request can be sent");
    let chunk = format!("2710\r\n{}\r\n", " ".repeat(10_000));
    let mut answering = stream.try_clone().expect("a connection has two ends");
    let answer = std::thread::spawn(move || {
        let mut answer = [0; 12];
        answering.read_exact(&mut answer).expect("it was answered");
        answer
    });
    // Nobody listens any more once it is refused.
    let sent = (0..10_000).take_while(|_| stream.write_all(chunk.as_bytes()).is_ok()).count();
    let answer = answer.join().expect("it was answered");
    let status = std::str::from_utf8(&answer).ok().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
    (status.expect("it has a status"), sent * 10_000)
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
        // A day before, and some seconds on a busy machine.
        (401, sign(SECRET, "m9", pmflow_host::now() - 86_400_000_000, body.as_bytes()).to_vec(), body, "it was signed 864"),
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
    let (status, taken) = post_without_end(&address, at);
    assert_eq!(status, 413);
    assert!(taken < 20_000_000, "{taken} bytes of 100,000,000 were taken");
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

/// Deliveries come twice and at the same time, in another order than they were made, and long after: each id has one run.
#[test]
fn deliveries_at_once_and_in_any_order_have_one_run_each() {
    const DELIVERIES: usize = 6;
    let folder = Folder::new();
    folder.write("order.pmflow", FLOW.replace(" limit 3 per day", " limit 30 per day"));
    fine(&folder, "deploy order.pmflow --input shop=north");
    let mut command = folder.command(&["serve", "--worker", "--listen", "127.0.0.1:0"]);
    command.env("SHOP_SECRET", SECRET);
    let mut served = Daemon::start(command);
    let address = listening(&mut served);
    let send = |number: usize| {
        let body = format!(r#"{{"id":"A-{number}","amount":{}}}"#, number + 1);
        // Signed four minutes ago, which is late and not too late.
        let headers = sign(SECRET, &format!("m{number}"), pmflow_host::now() - 240_000_000, body.as_bytes()).to_vec();
        let answer = post(&address, "/hooks/on_order", &headers, &body);
        (number, answer.status, answer.json["run"].as_str().expect("its run is named").to_owned())
    };
    let send = &send;
    let order = (0..DELIVERIES).rev().flat_map(|number| [number, number, (number + 3) % DELIVERIES]);
    let answers: Vec<(usize, u16, String)> = std::thread::scope(|scope| {
        let sending: Vec<_> = order.map(|number| scope.spawn(move || send(number))).collect();
        sending.into_iter().map(|sent| sent.join().expect("nothing panics")).collect()
    });
    for number in 0..DELIVERIES {
        let of: Vec<_> = answers.iter().filter(|(of, ..)| *of == number).collect();
        let taken = of.iter().filter(|(_, status, _)| *status == 202).count();
        assert_eq!((of.len(), taken), (3, 1), "{of:?}");
        assert!(of.iter().all(|(_, status, run)| matches!(status, 200 | 202) && *run == of[0].2), "{of:?}");
    }
    for _ in 0..DELIVERIES {
        served.hear("run ended");
    }
    served.signal("TERM");
    assert_eq!(served.ended().0, Some(0));
    assert_eq!(fine(&folder, "outputs --run all --format jsonl --fields value").lines().count(), DELIVERIES);
}

/// As the services sign: hexadecimal, over the body alone or with a time before it.
fn hex_hmac(text: &str) -> String {
    let block = |pad: u8| -> Vec<u8> {
        let mut block = [pad; 64];
        block.iter_mut().zip(SECRET.bytes()).for_each(|(byte, key)| *byte ^= key);
        block.to_vec()
    };
    let inner = Sha256::digest([block(0x36), text.as_bytes().to_vec()].concat());
    let outer = Sha256::digest([block(0x5c), inner.to_vec()].concat());
    outer.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// GitHub's, Stripe's and Slack's deliveries start one run each, are known when they come again, and are refused when they are
/// changed, forged, or signed too long ago.
#[test]
fn services_that_sign_in_their_own_way_are_understood() {
    let folder = Folder::new();
    folder.write("order.pmflow", FLOW.replace(" limit 3 per day", " limit 30 per day"));
    fine(&folder, "deploy order.pmflow --input shop=north");
    let mut command = folder.command(&["serve", "--worker", "--listen", "127.0.0.1:0"]);
    command.env("SHOP_SECRET", SECRET);
    let mut served = Daemon::start(command);
    let (address, at) = (listening(&mut served), "/hooks/on_order");
    let seconds = |ago: i64| (pmflow_host::now() / 1_000_000 - ago).to_string();
    let github = |body: &str, _: &str| vec![("x-hub-signature-256", format!("sha256={}", hex_hmac(body)))];
    let stripe =
        |body: &str, time: &str| vec![("stripe-signature", format!("t={time},v1={},v0=00", hex_hmac(&format!("{time}.{body}"))))];
    let slack = |body: &str, time: &str| {
        let signature = format!("v0={}", hex_hmac(&format!("v0:{time}:{body}")));
        vec![("x-slack-request-timestamp", time.to_owned()), ("x-slack-signature", signature)]
    };
    type Signing<'s> = &'s dyn Fn(&str, &str) -> Headers<'static>;
    let services: [(&str, Signing<'_>, bool); 3] =
        [("github", &github, false), ("stripe", &stripe, true), ("slack", &slack, true)];
    for (service, sign, has_time) in services {
        let body = format!(r#"{{"id":"{service}-1","event_id":"{service}-1","amount":12}}"#);
        let first = post(&address, at, &sign(&body, &seconds(0)), &body);
        assert_eq!(first.status, 202, "{service}: {}", first.json);
        assert!(served.hear("run ended").contains(first.json["run"].as_str().expect("the run is named")));
        let again = post(&address, at, &sign(&body, &seconds(1)), &body);
        assert_eq!((again.status, &again.json["run"]), (200, &first.json["run"]), "{service}: sent again, it is the same");
        let changed = body.replace("12", "13");
        assert_eq!(post(&address, at, &sign(&body, &seconds(0)), &changed).status, 401, "{service}: changed on the way");
        let forged: Headers<'_> =
            sign(&body, &seconds(0)).into_iter().map(|(name, value)| (name, value.replace(['a', 'b', 'c'], "0"))).collect();
        assert_eq!(post(&address, at, &forged, &body).status, 401, "{service}: forged");
        if has_time {
            let late = post(&address, at, &sign(&body, &seconds(900)), &body);
            assert_eq!(late.status, 401, "{service}: replayed");
            assert!(late.json["error"].as_str().is_some_and(|why| why.contains("s from now")), "{}", late.json);
        }
    }
    served.signal("TERM");
    assert_eq!(served.ended().0, Some(0));
    assert_eq!(fine(&folder, "outputs --run all --format jsonl --fields value").lines().count(), 3);
}
