//! Requests as a server sees them, and answers as services give them.

use crate::server::{Asked, Server, json, with_headers};
use pmflow_connectors::http::retry_after::retry_after_ms;
use pmflow_connectors::http::{Client, Invocation, cursor_within};
use pmflow_plan::eval::Scope;
use pmflow_plan::value::Record;
use pmflow_plan::*;
use secrecy::SecretString;
use std::collections::BTreeMap;
use std::time::Duration;

fn var(name: &str) -> Expr {
    Expr::Var(name.to_owned())
}

fn text(value: &str) -> Expr {
    Expr::Literal(Value::text(value))
}

fn field(of: Expr, name: &str) -> Expr {
    Expr::Op { op: Op::JsonField, arguments: vec![of, text(name)] }
}

fn hole(name: &str) -> Piece {
    Piece::Hole { value: var(name), untrusted: false }
}

fn connector(auth: Auth) -> Connector {
    let base_url = text("https://crm.invalid/v0");
    Connector { name: "crm".into(), base_url, auth, headers: Vec::new(), rate: None, retry_on: vec![(409, 409)] }
}

fn operation(method: Method, path: Vec<Piece>) -> Operation {
    let parameter = |name: &str| Parameter { name: name.into(), ty: Type::Json, default: None };
    Operation {
        name: "crm.act".into(),
        connector: "crm".into(),
        kind: OperationKind::Action,
        parameters: ["a", "b", "c"].map(parameter).to_vec(),
        result: Type::Json,
        method,
        path,
        query: Vec::new(),
        headers: Vec::new(),
        body: Body::None,
        mapping: None,
        paging: Paging::None,
        errors: Vec::new(),
        repeat: Repeatable::Safe,
    }
}

fn get() -> Operation {
    operation(Method::Get, vec![Piece::Text("/things".into())])
}

fn source(paging: Paging) -> Operation {
    Operation { kind: OperationKind::Source, paging, mapping: Some(field(var("body"), "rows")), ..get() }
}

struct Case {
    plan: Plan,
    operation: Operation,
    arguments: Record,
    key: Option<&'static str>,
    timeout: Duration,
}

impl Case {
    fn new(connector: Connector, operation: Operation, arguments: &[(&str, Value)]) -> Case {
        let settings = Settings {
            concurrency: 1,
            timeout_ms: None,
            on_error: OnError::Stop,
            budget: Budget::default(),
            schedule: None,
            webhook: None,
            owner: None,
        };
        let flow = Flow { name: "f".into(), parameters: Vec::new(), settings, output: Type::Json, body: Block::default() };
        let plan = Plan {
            format: PLAN_FORMAT,
            flow: "f".into(),
            flows: BTreeMap::from([("f".into(), flow)]),
            functions: BTreeMap::new(),
            types: BTreeMap::new(),
            models: BTreeMap::new(),
            prompts: BTreeMap::new(),
            operations: BTreeMap::from([(operation.name.clone(), operation.clone())]),
            connectors: BTreeMap::from([("crm".into(), connector)]),
            catalog: String::new(),
            ceiling: None,
        };
        let arguments = Record { fields: arguments.iter().map(|(name, value)| ((*name).into(), value.clone())).collect() };
        Case { plan, operation, arguments, key: None, timeout: Duration::from_secs(20) }
    }

    fn invocation<'a>(&'a self, scope: &'a Scope, secrets: &'a dyn pmflow_connectors::Secrets) -> Invocation<'a> {
        Invocation {
            plan: &self.plan,
            operation: &self.operation,
            arguments: &self.arguments,
            scope,
            row: None,
            secrets,
            idempotency_key: self.key,
            timeout: self.timeout,
        }
    }

    async fn call_with(&self, client: &Client) -> Result<Value, Failure> {
        let (scope, secrets) = (Scope::new(), secret);
        client.call(&self.invocation(&scope, &secrets)).await
    }

    async fn call(&self, server: &Server) -> Result<Value, Failure> {
        self.call_with(&client(server)).await
    }

    async fn pages(&self, server: &Server) -> Result<Vec<String>, Failure> {
        let (scope, secrets, client) = (Scope::new(), secret, client(server));
        let (mut pages, mut cursor) = (Vec::new(), None);
        for _ in 0..40 {
            let page = client.page(&self.invocation(&scope, &secrets), cursor.as_deref()).await?;
            pages.push(Value::list(page.rows).to_exact());
            if page.exhausted {
                return Ok(pages);
            }
            cursor = Some(page.cursor);
        }
        panic!("no end of pages: {pages:?}")
    }
}

fn secret(name: &str) -> Option<SecretString> {
    (name != "UNSET").then(|| SecretString::from(format!("s3cret:{name}")))
}

fn client(server: &Server) -> Client {
    Client::builder().base_url("crm", format!("{}/v0/", server.url)).answer_bytes_max(1 << 20).build()
}

async fn echo() -> Server {
    Server::start(|_, _| json(200, r#"{"ok":true}"#)).await
}

async fn asked(connector: Connector, operation: Operation, arguments: &[(&str, Value)]) -> Asked {
    let server = echo().await;
    Case::new(connector, operation, arguments).call(&server).await.unwrap();
    server.all().remove(0)
}

#[tokio::test]
async fn nothing_breaks_out_of_its_place_in_an_address() {
    let mut operation = operation(Method::Get, vec![Piece::Text("/t/".into()), hole("a"), Piece::Text("/x".into())]);
    operation.query = vec![("q".into(), var("b")), ("none".into(), var("c")), ("list".into(), text("&=#"))];
    let arguments = [("a", Value::text("a/b?c#d %ü")), ("b", Value::list(vec![Value::text("1&x=2"), Value::Int(3)]))];
    let asked = asked(connector(Auth::None), operation, &arguments).await;
    assert_eq!(asked.target, "/v0/t/a%2Fb%3Fc%23d%20%25%C3%BC/x?q=1%26x%3D2&q=3&list=%26%3D%23");
}

#[tokio::test]
async fn requests_that_would_lead_elsewhere_are_not_sent() {
    let server = echo().await;
    let path = || vec![Piece::Text("/t/".into()), hole("a")];
    for (value, reason) in [
        (Value::text(".."), "would lead to another place by its dots"),
        (Value::text(""), "a piece of its path is empty"),
        (Value::None, "a piece of its path is empty"),
    ] {
        let failure =
            Case::new(connector(Auth::None), operation(Method::Get, path()), &[("a", value)]).call(&server).await.unwrap_err();
        assert!(
            failure.message.starts_with("`crm.act` was not called: ") && failure.message.contains(reason),
            "{}",
            failure.message
        );
        assert_eq!((failure.class, failure.billing), (FailureClass::InvalidInput, Billing::NotSent));
    }
    let mut smuggling = get();
    smuggling.headers = vec![("X-Note".into(), var("a"))];
    let arguments = [("a", Value::text("x\r\nAuthorization: mine"))];
    let failure = Case::new(connector(Auth::None), smuggling, &arguments).call(&server).await.unwrap_err();
    assert!(failure.message.contains("the header `X-Note` would hold a line end"), "{}", failure.message);
    let unset = connector(Auth::Bearer { secret: "UNSET".into() });
    let failure = Case::new(unset, get(), &[]).call(&server).await.unwrap_err();
    assert_eq!(failure.message, "`crm.act` was not called: the secret `UNSET` is not set");
    assert_eq!((failure.class, failure.billing), (FailureClass::Permission, Billing::NotSent));
    assert!(server.all().is_empty());
}

#[tokio::test]
async fn bodies() {
    let expr = Expr::Record(vec![("a".into(), var("a")), ("none".into(), var("c")), ("deep".into(), Expr::List(vec![var("b")]))]);
    let given = [("a", Value::text("x\"\n")), ("b", Value::record([("kept", Value::None)]))];
    let fields = vec![("a".to_owned(), var("a")), ("none".to_owned(), var("c")), ("c d".to_owned(), text("&+ "))];
    for (body, content_type, expected) in [
        (Body::Json(expr), "application/json", r#"{"a":"x\"\n","deep":[{"kept":null}]}"#),
        (Body::Form(fields), "application/x-www-form-urlencoded", "a=x%22%0A&c+d=%26%2B+"),
        (Body::Text(var("a")), "text/plain; charset=utf-8", "x\"\n"),
    ] {
        let operation = Operation { body, ..operation(Method::Post, Vec::new()) };
        let asked = asked(connector(Auth::None), operation, &given).await;
        assert_eq!(
            (asked.method.as_str(), asked.headers["content-type"].as_str(), asked.body.as_str()),
            ("POST", content_type, expected)
        );
    }
    let body = Body::Multipart(vec![("na\"me".to_owned(), var("a"))]);
    let asked = asked(connector(Auth::None), Operation { body, ..operation(Method::Put, Vec::new()) }, &given).await;
    let boundary = asked.headers["content-type"].strip_prefix("multipart/form-data; boundary=").unwrap().to_owned();
    let disposition = "Content-Disposition: form-data; name=\"na%22me\"";
    assert_eq!(asked.body, format!("--{boundary}\r\n{disposition}\r\n\r\nx\"\n\r\n--{boundary}--\r\n"));
}

#[tokio::test]
async fn credentials_and_keys() {
    let secret = |name: &str| Box::new(Credential::Secret(name.into()));
    let plain = |text: &str| Box::new(Credential::Text(text.into()));
    for (auth, header, value, target) in [
        (Auth::Bearer { secret: "T".into() }, "authorization", "Bearer s3cret:T", "/v0/things"),
        (Auth::Basic { user: plain("me"), password: secret("P") }, "authorization", "Basic bWU6czNjcmV0OlA=", "/v0/things"),
        (Auth::Header { name: "X-Key".into(), value: secret("K") }, "x-key", "s3cret:K", "/v0/things"),
        (
            Auth::Query { name: "key".into(), value: secret("K") },
            "accept",
            "application/json, */*;q=0.5",
            "/v0/things?key=s3cret%3AK",
        ),
    ] {
        let asked = asked(connector(auth), get(), &[]).await;
        assert_eq!((asked.headers[header].as_str(), asked.target.as_str()), (value, target));
    }
    let server = echo().await;
    let repeat = Repeatable::IdempotencyHeader("Idempotency-Key".into());
    let case = Case::new(connector(Auth::None), Operation { repeat, ..get() }, &[]);
    Case { key: Some("run-1/step"), ..case }.call(&server).await.unwrap();
    assert_eq!(server.all()[0].headers["idempotency-key"], "run-1/step");
}

fn oauth(server: &Server, grant: OauthGrant) -> Connector {
    connector(Auth::Oauth2 { token_url: format!("{}/token", server.url), scopes: vec!["read".into(), "write".into()], grant })
}

#[tokio::test]
async fn tokens_are_asked_for_once_and_renewed_when_withdrawn() {
    let server = Server::start(|count, asked| match asked.target.as_str() {
        "/token" => json(200, &format!(r#"{{"access_token":"token{count}","expires_in":3600,"refresh_token":"rotated"}}"#)),
        // The first token is withdrawn after two uses.
        _ if asked.headers["authorization"] == "Bearer token0" && count > 2 => json(401, "{}"),
        _ => json(200, "{}"),
    })
    .await;
    let of = |name: &str| Credential::Secret(name.into());
    let grant = OauthGrant::RefreshToken { client_id: of("ID"), client_secret: of("S"), refresh_token: of("R") };
    let case = Case::new(oauth(&server, grant), get(), &[]);
    let client = client(&server);
    for _ in 0..3 {
        case.call_with(&client).await.unwrap();
    }
    let things = "/v0/things";
    assert_eq!(server.targets(), ["/token", things, things, things, "/token", things]);
    let form = |refresh: &str| {
        format!(
            "grant_type=refresh_token&client_id=s3cret%3AID&client_secret=s3cret%3AS&refresh_token={refresh}&scope=read+write"
        )
    };
    assert_eq!(server.all()[0].body, form("s3cret%3AR"));
    assert_eq!(server.all()[4].body, form("rotated"));
    assert_eq!(server.all()[5].headers["authorization"], "Bearer token4");
}

#[tokio::test]
async fn a_refused_grant_says_why() {
    let server = Server::start(|_, _| json(400, r#"{"error":"invalid_client"}"#)).await;
    let of = |name: &str| Credential::Secret(name.into());
    let grant = OauthGrant::ClientCredentials { client_id: of("ID"), client_secret: of("S") };
    let failure = Case::new(oauth(&server, grant), get(), &[]).call(&server).await.unwrap_err();
    assert!(
        failure.message.ends_with("/token gave no access token: answered 400 Bad Request invalid_client"),
        "{}",
        failure.message
    );
    assert_eq!((failure.class, failure.billing), (FailureClass::Permission, Billing::NotSent));
    let failure =
        Case::new(oauth(&server, OauthGrant::ServiceAccount { key: of("K") }), get(), &[]).call(&server).await.unwrap_err();
    assert_eq!(failure.message, "`crm.act` was not called: signing in by service account is not supported yet");
}

async fn answered(
    status: u16,
    headers: &'static [(&'static str, &'static str)],
    body: &'static str,
    operation: Operation,
) -> Result<Value, Failure> {
    let server = Server::start(move |_, _| with_headers(status, headers, body)).await;
    Case::new(connector(Auth::Bearer { secret: "T".into() }), operation, &[]).call(&server).await
}

const JSON: &[(&str, &str)] = &[("content-type", "application/json; charset=utf-8")];

#[tokio::test]
async fn answers_that_are_failures() {
    use Billing::{NotBilled, Unknown};
    use FailureClass::{InvalidInput, InvalidOutput, Permission, RateLimit, Timeout, Transport};
    for (status, body, class, billing, message) in [
        (
            400,
            r#"{"error":{"message":"no such field"}}"#,
            InvalidInput,
            NotBilled,
            "`crm.act` was answered 400 Bad Request: no such field",
        ),
        (401, "key s3cret:T is wrong", Permission, NotBilled, "`crm.act` was answered 401 Unauthorized: key [secret] is wrong"),
        (403, "", Permission, NotBilled, "`crm.act` was answered 403 Forbidden"),
        (404, "{}", InvalidInput, NotBilled, "`crm.act` was answered 404 Not Found: {}"),
        (408, "", Timeout, Unknown, "`crm.act` was answered 408 Request Timeout"),
        (409, "", Transport, NotBilled, "`crm.act` was answered 409 Conflict"),
        (429, "", RateLimit, NotBilled, "`crm.act` was answered 429 Too Many Requests"),
        (500, "<h1>Oops\n</h1>", Transport, Unknown, "`crm.act` was answered 500 Internal Server Error: <h1>Oops</h1>"),
        (304, "", Transport, NotBilled, "`crm.act` was answered 304 Not Modified"),
        (
            200,
            r#"{"a":"#,
            InvalidOutput,
            Unknown,
            "`crm.act` was answered 200 with broken JSON (not JSON: EOF while parsing a value at line 1 column 5)",
        ),
    ] {
        let failure = answered(status, JSON, body, get()).await.unwrap_err();
        assert_eq!((failure.message.as_str(), failure.class, failure.billing), (message, class, billing));
    }
    let typed = Operation { result: Type::Record(vec![Field { name: "id".into(), ty: Type::text(), doc: None }]), ..get() };
    let failure = answered(200, JSON, r#"{"id":1}"#, typed).await.unwrap_err();
    assert_eq!(failure.message, "the answer to `crm.act` is not what its connector says: `id`: expected a text, found the int 1");
    let failure = answered(
        200,
        JSON,
        r#"{"id":{"sent":"s3cret:T"}}"#,
        Operation { mapping: Some(text_of_body()), result: Type::int(), ..get() },
    )
    .await;
    assert!(failure.unwrap_err().message.ends_with("found the text \"{\\\"id\\\":{\\\"sent\\\":\\\"[secret]\\\"}}\""));
    let large = Server::start(|_, _| json(200, &"x".repeat(2 << 20))).await;
    let failure = Case::new(connector(Auth::None), get(), &[]).call(&large).await.unwrap_err();
    assert_eq!(failure.message, "`crm.act` was answered with more than 1048576 bytes; ask for smaller pages");
    let mis_encoded = Server::start(|_, _| axum::response::Response::new(axum::body::Body::from(b"\"\xff\"".to_vec()))).await;
    let failure = Case::new(connector(Auth::None), get(), &[]).call(&mis_encoded).await.unwrap_err();
    assert_eq!(failure.message, "`crm.act` was answered 200 with bytes that are no UTF-8");
}

fn text_of_body() -> Expr {
    Expr::Op { op: Op::JsonToText, arguments: vec![var("body")] }
}

#[tokio::test]
async fn a_connector_has_words_of_its_own_for_errors() {
    let said = |prefix: &str| {
        Expr::Template(vec![Piece::Text(prefix.into()), Piece::Hole { value: field(var("body"), "error"), untrusted: false }])
    };
    let is_false = Expr::Op { op: Op::Eq, arguments: vec![field(var("body"), "ok"), Expr::Literal(Value::Bool(false))] };
    let errors = vec![
        ErrorCase { status_min: 422, status_max: 422, when: None, message: said("Refused: "), class: None },
        ErrorCase {
            status_min: 200,
            status_max: 299,
            when: Some(is_false),
            message: said("Slack says "),
            class: Some(FailureClass::Permission),
        },
    ];
    let operation = Operation { errors, ..get() };
    let failure = answered(422, JSON, r#"{"error":"no table"}"#, operation.clone()).await.unwrap_err();
    assert_eq!((failure.message.as_str(), failure.class), ("`crm.act`: Refused: no table", FailureClass::InvalidInput));
    let failure = answered(200, JSON, r#"{"ok":false,"error":"not_authed"}"#, operation.clone()).await.unwrap_err();
    assert_eq!((failure.message.as_str(), failure.class), ("`crm.act`: Slack says not_authed", FailureClass::Permission));
    assert!(answered(200, JSON, r#"{"ok":true}"#, operation).await.is_ok());
}

#[tokio::test]
async fn results_are_mapped() {
    let first = Expr::Index { of: Box::new(field(var("body"), "rows")), index: Box::new(Expr::Literal(Value::Int(0))) };
    let operation = Operation { mapping: Some(first), ..get() };
    assert_eq!(answered(200, JSON, r#"{"rows":[5]}"#, operation.clone()).await, Ok(Value::Int(5)));
    let failure = answered(200, JSON, r#"{"rows":[]}"#, operation).await.unwrap_err();
    assert!(failure.message.ends_with("index 0 in an empty list"), "{}", failure.message);
    assert_eq!(answered(204, &[], "", get()).await, Ok(Value::None));
    assert_eq!(answered(200, &[("content-type", "text/plain")], "hello", get()).await, Ok(Value::text("hello")));
    let header = Operation { mapping: Some(field(var("headers"), "x-id")), ..get() };
    assert_eq!(answered(201, &[("X-Id", "7")], "", header).await, Ok(Value::text("7")));
}

#[tokio::test]
async fn redirects_stay_at_home() {
    let elsewhere = echo().await;
    let target = elsewhere.url.clone();
    let server = Server::start(move |_, asked| match asked.target.as_str() {
        "/v0/things" => with_headers(302, &[("location", "/moved?x=1")], ""),
        "/v0/away" => with_headers(307, &[("location", &format!("{target}/steal"))], ""),
        "/v0/round" => with_headers(308, &[("location", "/v0/round")], ""),
        _ => json(200, "1"),
    })
    .await;
    let auth = || Auth::Header { name: "X-Key".into(), value: Box::new(Credential::Secret("K".into())) };
    let at = |method, path: &str| Case::new(connector(auth()), operation(method, vec![Piece::Text(path.into())]), &[]);
    assert_eq!(at(Method::Get, "/things").call(&server).await, Ok(Value::Int(1)));
    assert_eq!(server.all()[1].headers["x-key"], "s3cret:K");
    for case in [at(Method::Get, "/away"), at(Method::Post, "/things"), at(Method::Get, "/round")] {
        let failure = case.call(&server).await.unwrap_err();
        assert!(failure.message.contains("redirects"), "{}", failure.message);
    }
    assert!(elsewhere.all().is_empty());
}

async fn pages_of(
    paging: Paging,
    with_page: &[(&str, &str)],
    answer: impl Fn(usize, &Asked) -> axum::response::Response + Send + Sync + 'static,
) -> (Result<Vec<String>, Failure>, Vec<String>) {
    let server = Server::start(answer).await;
    let query = with_page.iter().map(|(name, of)| ((*name).to_owned(), field(var("page"), of))).collect();
    let case = Case::new(connector(Auth::None), Operation { query, ..source(paging) }, &[]);
    let pages = case.pages(&server).await;
    (pages, server.targets())
}

#[tokio::test]
async fn the_four_ways_of_paging() {
    let next = || field(var("body"), "next");
    let (pages, asked) = pages_of(Paging::Cursor { next: next() }, &[("offset", "cursor")], |count, _| {
        json(200, [r#"{"rows":[1,2],"next":"x y"}"#, r#"{"rows":[3],"next":9}"#, r#"{"rows":[],"next":""}"#][count])
    })
    .await;
    assert_eq!(
        (pages.unwrap(), asked),
        (
            vec!["[1,2]".into(), "[3]".into(), "[]".into()],
            vec!["/v0/things".into(), "/v0/things?offset=x+y".into(), "/v0/things?offset=9".into()]
        )
    );
    let (pages, asked) = pages_of(Paging::Number { first: 1, next: None }, &[("page", "number")], |count, _| {
        json(200, [r#"{"rows":[1,2]}"#, r#"{"rows":[3]}"#, r#"{"rows":[]}"#][count])
    })
    .await;
    assert_eq!((pages.unwrap().len(), asked.last().unwrap().as_str()), (3, "/v0/things?page=3"));
    let more = Some(field(var("body"), "more"));
    let (pages, asked) = pages_of(Paging::Offset { next: more }, &[("skip", "offset")], |count, _| {
        json(200, [r#"{"rows":[1,2],"more":true}"#, r#"{"rows":[3],"more":false}"#][count])
    })
    .await;
    assert_eq!((pages.unwrap().len(), asked.last().unwrap().as_str()), (2, "/v0/things?skip=2"));
    let (pages, asked) = pages_of(Paging::Link { next: None }, &[("size", "number")], |count, _| match count {
        0 => with_headers(
            200,
            &[("link", "</v0/a>; rel=\"prev\", </v0/things?cursor=b,c>; title=\"x\"; rel=\"next\"")],
            r#"{"rows":[1]}"#,
        ),
        _ => with_headers(200, &[("link", "</v0/a>; rel=prev")], r#"{"rows":[2]}"#),
    })
    .await;
    assert_eq!((pages.unwrap().len(), asked.last().unwrap().as_str()), (2, "/v0/things?cursor=b,c"));
}

#[tokio::test]
async fn pages_that_go_in_circles_or_elsewhere() {
    let next = || field(var("body"), "next");
    for circle in [1usize, 2, 3, 5] {
        let (pages, asked) = pages_of(Paging::Cursor { next: next() }, &[("c", "cursor")], move |count, _| {
            json(200, &format!(r#"{{"rows":[{count}],"next":"c{}"}}"#, count % circle))
        })
        .await;
        let failure = pages.unwrap_err();
        assert!(failure.message.contains("names a next page that was read before"), "{}", failure.message);
        assert!(asked.len() <= 4 * circle + 2, "{circle}: {}", asked.len());
    }
    let (pages, _) = pages_of(Paging::Number { first: 0, next: None }, &[], |_, _| json(200, r#"{"rows":[1]}"#)).await;
    assert!(pages.unwrap_err().message.contains("gives the same rows for two pages"));
    let away = Paging::Link { next: Some(next()) };
    let (pages, _) = pages_of(away, &[], |_, _| json(200, r#"{"rows":[1],"next":"https://evil.example/x"}"#)).await;
    let message =
        "`crm.act` was not called: the next page is said to be at `evil.example`, and credentials go to `127.0.0.1` only";
    assert_eq!(pages.unwrap_err().message, message);
    let (pages, _) = pages_of(Paging::None, &[], |_, _| json(200, r#"{"rows":{"a":1}}"#)).await;
    assert!(pages.unwrap_err().message.ends_with("its rows are a record, not a list"));
}

#[tokio::test]
async fn a_page_may_be_left_half_way() {
    let server = Server::start(|_, asked| {
        json(200, if asked.target.ends_with("=n") { r#"{"rows":[4]}"# } else { r#"{"rows":[1,2,3],"next":"n"}"# })
    })
    .await;
    let query = vec![("c".to_owned(), field(var("page"), "cursor"))];
    let case =
        Case::new(connector(Auth::None), Operation { query, ..source(Paging::Cursor { next: field(var("body"), "next") }) }, &[]);
    let (scope, secrets, client) = (Scope::new(), secret, client(&server));
    let invocation = case.invocation(&scope, &secrets);
    let half = cursor_within(None, 2, 1).unwrap();
    let rest = client.page(&invocation, Some(&half)).await.unwrap();
    assert_eq!((rest.rows, rest.read, rest.exhausted), (vec![Value::Int(3)], 1, false));
    let last = client.page(&invocation, Some(&rest.cursor)).await.unwrap();
    assert_eq!((last.rows, last.exhausted), (vec![Value::Int(4)], true));
    assert!(client.page(&invocation, Some("nonsense")).await.is_err());
}

/// A server that says these bytes and hangs up.
async fn answering_once(bytes: &'static [u8]) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 4096]).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream.shutdown().await.unwrap();
    });
    url
}

#[tokio::test]
async fn servers_that_do_not_answer() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = format!("http://{}", listener.local_addr().unwrap());
    let hanging = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let slow = format!("http://{}", hanging.local_addr().unwrap());
    drop(listener);
    let call = |url: String| async move {
        let case =
            Case::new(connector(Auth::Query { name: "key".into(), value: Box::new(Credential::Secret("K".into())) }), get(), &[]);
        let case = Case { timeout: Duration::from_millis(300), ..case };
        case.call_with(&Client::builder().base_url("crm", url).build()).await.unwrap_err()
    };
    let refused = call(closed).await;
    assert_eq!((refused.class, refused.billing), (FailureClass::Transport, Billing::NotSent));
    let timed_out = call(slow).await;
    assert_eq!((timed_out.class, timed_out.billing), (FailureClass::Timeout, Billing::Unknown));
    let broken = call(answering_once(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf").await).await;
    assert_eq!((broken.class, broken.billing), (FailureClass::Transport, Billing::Unknown));
    for failure in [refused, timed_out, broken] {
        assert!(
            !failure.message.contains("s3cret") && failure.message.starts_with("`crm.act` got no answer"),
            "{}",
            failure.message
        );
    }
}

#[test]
fn every_form_of_retry_after() {
    let now = chrono::DateTime::parse_from_rfc3339("2026-01-02T03:04:05Z").unwrap().to_utc();
    let wait =
        |name: &str, value: &str| retry_after_ms(&BTreeMap::from([(name.to_owned(), value.to_owned())]), &Value::None, now);
    for (name, value, expected) in [
        ("retry-after", "30", Some(30_000)),
        ("retry-after", " 1.5 ", Some(1_500)),
        ("retry-after", "0", Some(0)),
        ("retry-after", "0.0001", Some(1)),
        ("retry-after", "250ms", Some(250)),
        ("retry-after", "2s", Some(2_000)),
        ("retry-after", "Fri, 02 Jan 2026 03:04:35 GMT", Some(30_000)),
        ("retry-after", "Fri, 02 Jan 2026 03:04:00 GMT", Some(0)),
        ("retry-after", "2026-01-02T03:05:05Z", Some(60_000)),
        ("retry-after", "-5", None),
        ("retry-after", "soon", None),
        ("retry-after", "NaN", None),
        ("retry-after", "1e300", Some(86_400_000)),
        ("retry-after-ms", "12.2", Some(13)),
        ("x-other", "3", None),
    ] {
        assert_eq!(wait(name, value), expected, "{name}: {value}");
    }
    let body = |text: &str| retry_after_ms(&BTreeMap::new(), &Value::parse_json(text).unwrap(), now);
    assert_eq!(body(r#"{"retry_after": 1.234, "global": false}"#), Some(1_234));
    assert_eq!(body(r#"{"retry_after_ms": 7}"#), Some(7));
    assert_eq!(body(r#"{"error": {"retry_after": "3"}}"#), Some(3_000));
    assert_eq!(body(r#"{"retry_after": null}"#), None);
}
