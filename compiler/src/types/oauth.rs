//! `oauth2 { token_url: …, scopes: […], grant: … }`: a token that is fetched, and renewed before it ends.

use super::Checker;
use super::names::suggest;
use super::phrases::{Terms, called_with_text, constant_text};
use crate::syntax::ast::{Expr, ExprKind, Name};
use crate::{Problem, Span};
use pmflow_plan::{Auth, Credential, OauthGrant};
use std::collections::BTreeMap;

const GRANTS: &[&str] = &["client_credentials", "refresh_token", "service_account"];
const SETTINGS: &[&str] = &["token_url", "scopes", "grant", "client_id", "client_secret", "refresh_token", "key"];

/// What stands in the braces, by name.
struct Entries<'a> {
    written: BTreeMap<&'a str, &'a Expr>,
    connector: &'a str,
    span: Span,
}

impl Checker<'_> {
    /// None when no `{ … }` follows the word; what is wrong inside is reported. `span`: of the word.
    pub(super) fn oauth2(&mut self, terms: &mut Terms, connector: &str, span: Span) -> Option<Auth> {
        let mut written: BTreeMap<&str, &Expr> = BTreeMap::new();
        for (name, value) in terms.entries()? {
            self.oauth_entry(name, value, &mut written);
        }
        let entries = Entries { written, connector, span };
        let token_url = self.token_url(&entries);
        let scopes = self.oauth_scopes(&entries);
        let grant = self.oauth_grant(&entries);
        Some(match (token_url, scopes, grant) {
            (Some(token_url), Some(scopes), Some(grant)) => Auth::Oauth2 { token_url, scopes, grant },
            _ => Auth::None,
        })
    }

    fn oauth_entry<'a>(&mut self, name: &'a Name, value: &'a Expr, written: &mut BTreeMap<&'a str, &'a Expr>) {
        if !SETTINGS.contains(&name.text.as_str()) {
            let problem = Problem::new("E0110", name.span, format!("`oauth2` has no setting `{}`", name.text));
            self.report(suggest(problem, name.span, &name.text, SETTINGS.iter().copied()));
        } else if written.insert(&name.text, value).is_some() {
            let problem = Problem::new("E0111", name.span, format!("`{}` is set twice", name.text));
            self.report(problem.help("delete one of the two"));
        }
    }

    fn token_url(&mut self, entries: &Entries) -> Option<String> {
        let value = entries.written.get("token_url");
        let address = value.and_then(|value| constant_text(value));
        let address = address.filter(|address| address.starts_with("https://") || address.starts_with("http://"));
        if address.is_none() {
            let span = value.map_or(entries.span, |value| value.span);
            let problem = Problem::new("E0302", span, "`oauth2` takes the address that gives the token, written out");
            self.report(problem.help("as in `token_url: \"https://example.com/oauth/token\"`"));
        }
        address.map(|address| address.to_string())
    }

    fn oauth_scopes(&mut self, entries: &Entries) -> Option<Vec<String>> {
        let Some(value) = entries.written.get("scopes") else { return Some(Vec::new()) };
        let scopes = match &value.kind {
            ExprKind::List(items) => items.iter().map(|item| constant_text(item).map(|text| text.to_string())).collect(),
            _ => None,
        };
        if scopes.is_none() {
            let problem = Problem::new("E0302", value.span, "`scopes` takes a list of texts that are written out");
            self.report(problem.help("as in `scopes: [\"read\", \"write\"]`"));
        }
        scopes
    }

    fn oauth_grant(&mut self, entries: &Entries) -> Option<OauthGrant> {
        let Some(value) = entries.written.get("grant") else {
            let problem = Problem::new("E0302", entries.span, "`oauth2` says how the token is asked for");
            self.report(problem.help(format!("add `grant:` with {}", super::project::listed(GRANTS.iter().copied()))));
            return None;
        };
        let word = match &value.kind {
            ExprKind::Name(word) => word.as_str(),
            _ => "",
        };
        let mut credential = |name: &str| self.oauth_credential(entries, name);
        Some(match word {
            "client_credentials" => {
                OauthGrant::ClientCredentials { client_id: credential("client_id"), client_secret: credential("client_secret") }
            }
            "refresh_token" => OauthGrant::RefreshToken {
                client_id: credential("client_id"),
                client_secret: credential("client_secret"),
                refresh_token: credential("refresh_token"),
            },
            "service_account" => OauthGrant::ServiceAccount { key: credential("key") },
            _ => {
                let form = format!("`grant` takes one of {}", super::project::listed(GRANTS.iter().copied()));
                self.report(suggest(Problem::new("E0302", value.span, form), value.span, word, GRANTS.iter().copied()));
                return None;
            }
        })
    }

    /// What is not written is a secret named after the connector: `CRM_CLIENT_ID`.
    fn oauth_credential(&mut self, entries: &Entries, name: &str) -> Credential {
        let usual = || Credential::Secret(format!("{}_{name}", entries.connector).to_uppercase());
        let Some(value) = entries.written.get(name) else { return usual() };
        if let Some(secret) = called_with_text(value, "secret") {
            return Credential::Secret(secret.to_string());
        }
        if let Some(text) = constant_text(value) {
            return Credential::Text(text.to_string());
        }
        let problem = Problem::new("E0302", value.span, format!("`{name}` takes a secret, or a text that is written out"));
        self.report(problem.help(format!("as in `{name}: secret(\"NAME\")`")));
        usual()
    }
}
