//! What another catalog says otherwise, model by model.

use super::facts::{Entry, PriceFacts};
use super::{Catalog, ProviderFacts};
use std::collections::BTreeMap;

/// One model in two catalogs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelChange {
    Added {
        id: String,
    },
    Removed {
        id: String,
    },
    /// Field, before, after; in the order of the fields' names.
    Changed {
        id: String,
        fields: Vec<(String, String, String)>,
    },
}

/// By provider, then by id. What holds for a whole provider (caps, overheads) stands under its name.
pub fn changes(before: &Catalog, after: &Catalog) -> Vec<ModelChange> {
    let (old, new) = (facts(before), facts(after));
    let mut found = Vec::new();
    for (id, fields) in &old {
        match new.get(id) {
            None => found.push(ModelChange::Removed { id: id.clone() }),
            Some(newer) if newer != fields => {
                found.push(ModelChange::Changed { id: id.clone(), fields: differing(fields, newer) })
            }
            Some(_) => {}
        }
    }
    let added = new.keys().filter(|id| !old.contains_key(*id));
    found.extend(added.map(|id| ModelChange::Added { id: id.clone() }));
    found.sort_by(|a, b| a.id().cmp(b.id()));
    found
}

impl ModelChange {
    pub fn id(&self) -> &str {
        match self {
            ModelChange::Added { id } | ModelChange::Removed { id } | ModelChange::Changed { id, .. } => id,
        }
    }
}

/// By field.
type Fields = BTreeMap<String, String>;

fn facts(catalog: &Catalog) -> BTreeMap<String, Fields> {
    let mut all = BTreeMap::new();
    for (provider, entry) in catalog.entries() {
        all.entry(provider.provider.clone()).or_insert_with(|| of_provider(provider));
        all.insert(format!("{}/{}", provider.provider, entry.id), of_model(entry));
    }
    all
}

fn of_provider(facts: &ProviderFacts) -> Fields {
    let head = ProviderFacts { models: Vec::new(), unpriced: Vec::new(), sources: BTreeMap::new(), ..facts.clone() };
    flat(&serde_json::to_value(head).expect("facts hold nothing that JSON cannot say"))
}

fn of_model(entry: &Entry) -> Fields {
    flat(&serde_json::to_value(entry).expect("facts hold nothing that JSON cannot say"))
}

/// Nested fields by their paths: `price.input`.
fn flat(value: &serde_json::Value) -> Fields {
    let mut fields = Fields::new();
    gather(value, "", &mut fields);
    fields
}

fn gather(value: &serde_json::Value, path: &str, fields: &mut Fields) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        serde_json::Value::Object(map) => map.iter().for_each(|(name, value)| gather(value, &below(name), fields)),
        serde_json::Value::Array(list) if list.iter().any(serde_json::Value::is_object) => {
            list.iter().enumerate().for_each(|(n, value)| gather(value, &below(&(n + 1).to_string()), fields));
        }
        serde_json::Value::String(text) => {
            fields.insert(path.to_owned(), text.clone());
        }
        other => {
            fields.insert(path.to_owned(), other.to_string());
        }
    }
}

fn differing(before: &Fields, after: &Fields) -> Vec<(String, String, String)> {
    let names: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let said = |fields: &Fields, name: &String| fields.get(name).cloned().unwrap_or_else(|| "none".to_owned());
    let both = names.into_iter().map(|name| (name.clone(), said(before, name), said(after, name)));
    both.filter(|(_, before, after)| before != after).collect()
}

impl PriceFacts {
    /// By name, those that are known, in the order in which people read them.
    pub fn named(&self) -> Vec<(&'static str, super::Rate)> {
        let rates = [
            ("input", Some(self.input)),
            ("output", Some(self.output)),
            ("cache read", self.cache_read),
            ("cache write", self.cache_write_5m),
            ("cache write, 1 h", self.cache_write_1h),
            ("cache write, 12 h", self.cache_write_12h),
        ];
        rates.into_iter().filter_map(|(name, rate)| Some((name, rate?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TODAY: i32 = 21_000;

    #[test]
    fn a_changed_price_an_added_and_a_removed_model_are_told_apart() {
        let builtin = Catalog::builtin();
        assert_eq!(changes(builtin, builtin), []);
        let dearer = builtin.to_json().replacen(
            r#""id":"claude-opus-5-5","price":{"input":"4""#,
            r#""id":"claude-opus-5-5","price":{"input":"5""#,
            1,
        );
        let renamed = dearer.replacen(r#""id":"claude-opus-4-0""#, r#""id":"claude-opus-four""#, 1);
        assert_ne!(renamed, dearer);
        let other = Catalog::from_json(&renamed, TODAY).expect("the changed catalog is one");
        let id = |id: &str| format!("anthropic/{id}");
        let field = ("price.input".to_owned(), "4".to_owned(), "5".to_owned());
        let expected = [
            ModelChange::Removed { id: id("claude-opus-4-0") },
            ModelChange::Changed { id: id("claude-opus-5-5"), fields: vec![field] },
            ModelChange::Added { id: id("claude-opus-four") },
        ];
        assert_eq!(changes(builtin, &other), expected);
    }

    #[test]
    fn a_catalog_survives_its_lock_file() {
        let text = Catalog::builtin().to_json();
        let read = Catalog::from_json(&text, TODAY).expect("what is written can be read");
        assert!(read.to_json() == text, "a lock file that is written again is the same");
        assert_eq!(read.hash(), Catalog::builtin().hash());
        assert_eq!(changes(Catalog::builtin(), &read), []);
    }
}
