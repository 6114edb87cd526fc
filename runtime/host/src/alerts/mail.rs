//! Alerts by e-mail, over TLS.

use lettre::message::Mailbox;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use std::time::Duration;

const WAIT_MAX: Duration = Duration::from_secs(15);

/// A mail server and who writes to whom.
#[derive(Clone)]
pub struct Mail {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    to: Vec<Mailbox>,
}

impl std::fmt::Debug for Mail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mail").field("from", &self.from).field("to", &self.to).finish_non_exhaustive()
    }
}

impl Mail {
    /// `server`: `smtps://user@host:465` (TLS from the first byte) or `smtp://user@host:587` (STARTTLS, required). `authority`: a
    /// certificate in PEM that is trusted besides the public ones. Nothing is sent.
    pub fn new(
        server: &str,
        password: Option<String>,
        authority: Option<&[u8]>,
        from: &str,
        to: &[String],
    ) -> Result<Mail, String> {
        let form = || format!("`{}` is no mail server; write smtps://user@host:465 or smtp://user@host:587", hidden(server));
        let url = reqwest::Url::parse(server).map_err(|_| form())?;
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(form)?.to_owned();
        if url.password().is_some() {
            return Err(
                "the password of a mail server does not stand in its address: name its variable with password_from".to_owned()
            );
        }
        let mut parameters = TlsParameters::builder(host.clone());
        if let Some(pem) = authority {
            let certificate = Certificate::from_pem(pem).map_err(|error| format!("the certificate cannot be read: {error}"))?;
            parameters = parameters.add_root_certificate(certificate);
        }
        let parameters = parameters.build().map_err(|error| format!("TLS cannot be set up: {error}"))?;
        let (tls, usual) = match url.scheme() {
            "smtps" => (Tls::Wrapper(parameters), 465),
            "smtp" => (Tls::Required(parameters), 587),
            _ => return Err(form()),
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
            .port(url.port().unwrap_or(usual))
            .tls(tls)
            .timeout(Some(WAIT_MAX));
        if let Some(password) = password {
            builder = builder.credentials(Credentials::new(url.username().replace("%40", "@"), password));
        }
        let mailbox = |text: &str| text.parse::<Mailbox>().map_err(|error| format!("`{text}` is no mail address: {error}"));
        let to = to.iter().map(|text| mailbox(text)).collect::<Result<Vec<Mailbox>, String>>()?;
        if to.is_empty() {
            return Err("nobody is named to write to".to_owned());
        }
        Ok(Mail { transport: builder.build(), from: mailbox(from)?, to })
    }

    /// Mail programs show a message with the same id once.
    pub async fn send(&self, key: &str, subject: &str, text: &str) -> Result<(), String> {
        let mut message = Message::builder().from(self.from.clone()).subject(subject).message_id(Some(format!("<{key}@pmflow>")));
        for to in &self.to {
            message = message.to(to.clone());
        }
        let message = message.body(text.to_owned()).map_err(|error| error.to_string())?;
        self.transport.send(message).await.map(|_| ()).map_err(|error| error.to_string())
    }
}

fn hidden(server: &str) -> String {
    match (server.find("://"), server.rfind('@')) {
        (Some(from), Some(to)) if from < to => {
            format!("{}…{}", server.get(..from + 3).unwrap_or(""), server.get(to..).unwrap_or(""))
        }
        _ => server.to_owned(),
    }
}
