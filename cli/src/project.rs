//! The project around a flow: its root and its `pmflow.toml`.

use crate::disk::reason;
use crate::exit::{Failed, Result};
use pmflow_compiler::cost::Catalog;
use pmflow_compiler::lints::Level;
use serde::de::{Deserialize as _, Deserializer, Error as _};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub const SETTINGS_FILE: &str = "pmflow.toml";

/// The prices that a project pins.
pub const LOCK_FILE: &str = "pmflow.lock";

#[derive(Debug)]
pub struct Project {
    /// The nearest folder upwards with a `pmflow.toml`, a `pmflow.lock` or a `.pmflow` folder, else the current one.
    pub root: PathBuf,
    pub settings: Settings,
}

/// `pmflow.toml`
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// `W0101 = "allow"`, `"warn"` or `"deny"`.
    #[serde(default, deserialize_with = "lint_levels")]
    pub lints: BTreeMap<String, Level>,
    #[serde(default)]
    pub connectors: BTreeMap<String, ConnectorSettings>,
    #[serde(default)]
    pub providers: BTreeMap<String, ConnectorSettings>,
    #[serde(default)]
    pub store: StoreSettings,
    #[serde(default)]
    pub alerts: Vec<crate::alerts::AlertSettings>,
    #[serde(default)]
    pub retention: crate::retention::Retention,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectorSettings {
    /// Speaks to this address instead: a proxy, a mock, a self-hosted instance.
    pub base_url: Option<String>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreSettings {
    /// Relative to the project's root; `.pmflow/pmflow.sqlite` when not given.
    pub path: Option<PathBuf>,
    /// `postgres://user@host:5432/database`; goes before `path`.
    pub url: Option<String>,
}

/// Where runs are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StorePlace {
    File(PathBuf),
    /// The address of a PostgreSQL database.
    Server(String),
}

impl Project {
    /// The project of the current folder.
    pub fn here() -> Result<Project> {
        let current = std::env::current_dir()
            .map_err(|error| Failed::new(format!("the current folder cannot be used: {}", reason(&error))))?;
        Project::of(&current)
    }

    /// The project around a file's folder: the nearest folder upwards that is marked as one, else the current folder, so
    /// that `pmflow runs` finds what `pmflow run sub/flow.pmflow` did.
    pub fn of(folder: &Path) -> Result<Project> {
        let marked = |folder: &&Path| {
            folder.join(SETTINGS_FILE).is_file() || folder.join(LOCK_FILE).is_file() || folder.join(".pmflow").is_dir()
        };
        let root = match folder.ancestors().find(marked) {
            Some(root) => root.to_owned(),
            None => std::env::current_dir()
                .map_err(|error| Failed::new(format!("the current folder cannot be used: {}", reason(&error))))?,
        };
        let settings = read_settings(&root.join(SETTINGS_FILE))?;
        Ok(Project { root, settings })
    }

    /// The prices that the project pins; none: those that are built in hold.
    pub fn pinned_catalog(&self) -> Result<Option<Catalog>> {
        let path = self.root.join(LOCK_FILE);
        if path.exists() { read_catalog(&path).map(Some) } else { Ok(None) }
    }

    /// The prices that hold in the project, corrected by what its runs saw; none: those that are built in, as they are.
    pub fn catalog(&self) -> Result<Option<Catalog>> {
        let (pinned, broken) = (self.pinned_catalog()?, crate::breaches::read(self)?);
        if broken.is_empty() {
            return Ok(pinned);
        }
        Ok(Some(pinned.unwrap_or_else(Catalog::unread).corrected(broken)))
    }

    /// `PMFLOW_STORE`, a path or an address; else `DATABASE_URL`, when it is one of PostgreSQL; else `pmflow.toml`; else a
    /// file of the project.
    pub fn store_place(&self) -> StorePlace {
        let given = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let settings = &self.settings.store;
        match (given("PMFLOW_STORE"), given("DATABASE_URL"), &settings.url, &settings.path) {
            (Some(address), ..) if is_server(&address) => StorePlace::Server(address),
            (Some(path), ..) => StorePlace::File(PathBuf::from(path)),
            (_, Some(address), ..) if is_server(&address) => StorePlace::Server(address),
            (_, _, Some(address), _) => StorePlace::Server(address.clone()),
            (.., Some(path)) => StorePlace::File(self.root.join(path)),
            _ => StorePlace::File(self.root.join(".pmflow").join("pmflow.sqlite")),
        }
    }
}

/// A catalog in one file; whatever is wrong with it is said, one line per rule that it breaks.
pub fn read_catalog(path: &Path) -> Result<Catalog> {
    let shown = path.strip_prefix(std::env::current_dir().unwrap_or_default()).unwrap_or(path).display().to_string();
    let text = crate::disk::read_text(path).map_err(|reason| Failed::new(format!("cannot read `{shown}`: {reason}")))?;
    Catalog::from_json(&text, crate::disk::today()).map_err(|error| {
        let reasons: Vec<String> = error.reasons.iter().map(|reason| format!("\n  {reason}")).collect();
        Failed::new(format!("the prices in `{shown}` cannot be used:{}", reasons.concat()))
            .help("`pmflow prices update` writes the prices that are built in; `git checkout` brings back what was there")
    })
}

fn is_server(address: &str) -> bool {
    address.starts_with("postgres://") || address.starts_with("postgresql://")
}

fn lint_levels<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<BTreeMap<String, Level>, D::Error> {
    let written = BTreeMap::<String, String>::deserialize(deserializer)?;
    let level = |(code, level): (String, String)| match level.as_str() {
        "allow" => Ok((code, Level::Allow)),
        "warn" => Ok((code, Level::Warn)),
        "deny" => Ok((code, Level::Deny)),
        other => Err(D::Error::custom(format!("`{other}` is no level of {code}; write \"allow\", \"warn\" or \"deny\""))),
    };
    written.into_iter().map(level).collect()
}

fn read_settings(path: &Path) -> Result<Settings> {
    if !path.exists() {
        return Ok(Settings::default());
    }
    let text =
        crate::disk::read_text(path).map_err(|reason| Failed::new(format!("cannot read `{}`: {reason}", path.display())))?;
    toml::from_str(&text).map_err(|error| {
        let mut place = path.display().to_string();
        if let Some(span) = error.span() {
            let line = text.get(..span.start).unwrap_or("").matches('\n').count() + 1;
            place = format!("{place}, line {line}");
        }
        Failed::new(format!("{place}: {}", error.message()))
            .help("known sections: [lints] W0101 = \"allow\"|\"warn\"|\"deny\", [connectors.NAME] base_url, [providers.NAME] base_url, [store] path or url, [retention] payloads, runs, ledger, [[alerts]] to, url, …")
    })
}
