//! Where the project's alerts go: `[[alerts]]` of `pmflow.toml`.

use crate::exit::{Failed, Result};
use crate::project::{Project, SETTINGS_FILE};
use pmflow_host::alerts::{By, Destination, Mail};
use pmflow_host::secrets::environment;
use std::path::PathBuf;

#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlertSettings {
    pub to: Kind,
    /// What was delivered is remembered under it; `to` when not given.
    pub name: Option<String>,
    /// `info`, `warn`, `block`; all when not given.
    #[serde(default)]
    pub levels: Vec<String>,
    pub url: Option<String>,
    /// The variable that holds the address, where it is a secret.
    pub url_from: Option<String>,
    /// The variable that holds the secret by which webhooks are signed.
    pub secret_from: Option<String>,
    /// `smtps://user@host:465`, `smtp://user@host:587`
    pub server: Option<String>,
    pub password_from: Option<String>,
    /// A certificate that is trusted besides the public ones.
    pub authority: Option<PathBuf>,
    pub from: Option<String>,
    #[serde(default)]
    pub recipients: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Webhook,
    Slack,
    Discord,
    Email,
}

/// The destinations of a project. A wrong one is an error, for an alert that nobody gets is worse.
pub fn destinations(project: &Project) -> Result<Vec<Destination>> {
    let mut destinations: Vec<Destination> = Vec::new();
    for settings in &project.settings.alerts {
        let name = settings.name.clone().unwrap_or_else(|| settings.to.name().to_owned());
        let wrong = |reason: String| Failed::new(format!("{SETTINGS_FILE}, alerts to `{name}`: {reason}"));
        if destinations.iter().any(|other| other.name == name) {
            return Err(wrong("there are two of this name".to_owned()).help("give each a `name` of its own"));
        }
        let by = settings.by(project).map_err(wrong)?;
        destinations.push(Destination { name, levels: settings.levels.clone(), by });
    }
    Ok(destinations)
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Webhook => "webhook",
            Kind::Slack => "slack",
            Kind::Discord => "discord",
            Kind::Email => "email",
        }
    }
}

impl AlertSettings {
    fn by(&self, project: &Project) -> std::result::Result<By, String> {
        Ok(match self.to {
            Kind::Webhook => By::Webhook { url: self.url()?, secret: variable(self.secret_from.as_deref())? },
            Kind::Slack => By::Slack { url: self.url()? },
            Kind::Discord => By::Discord { url: self.url()? },
            Kind::Email => By::Mail(Box::new(self.mail(project)?)),
        })
    }

    fn url(&self) -> std::result::Result<String, String> {
        let url = match &self.url {
            Some(url) => Some(url.clone()),
            None => variable(self.url_from.as_deref())?,
        };
        let url = url.ok_or("it has no `url`, and no `url_from` that names a variable")?;
        if url.starts_with("https://") || url.starts_with("http://") {
            Ok(url)
        } else {
            Err("its address does not begin with https://".to_owned())
        }
    }

    fn mail(&self, project: &Project) -> std::result::Result<Mail, String> {
        let server = self.server.as_deref().ok_or("it has no `server`, as in smtps://user@host:465")?;
        let from = self.from.as_deref().ok_or("it has no `from`: whose mail is it?")?;
        let password = variable(self.password_from.as_deref())?;
        let authority = match &self.authority {
            Some(path) => {
                let path = project.root.join(path);
                Some(std::fs::read(&path).map_err(|error| format!("`{}`: {}", path.display(), crate::disk::reason(&error)))?)
            }
            None => None,
        };
        Mail::new(server, password, authority.as_deref(), from, &self.recipients)
    }
}

/// The value of a variable that is named must be there.
fn variable(name: Option<&str>) -> std::result::Result<Option<String>, String> {
    let Some(name) = name else { return Ok(None) };
    let value = environment(name);
    value.iter().for_each(|value| pmflow_host::secrets::know(value));
    value.map(Some).ok_or_else(|| format!("the environment variable {name} is not set"))
}
