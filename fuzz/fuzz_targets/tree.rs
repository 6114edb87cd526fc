//! Changes one node of a JSON text, so that what comes out is JSON in the same canonical form.

use serde_json::{Value, json};

/// The text with one to three nodes replaced by another node of the same text, by a value at some limit, left out, or
/// doubled. `None` for what is not JSON.
pub fn change(bytes: &[u8], seed: u32) -> Option<Vec<u8>> {
    let mut tree: Value = serde_json::from_slice(bytes).ok()?;
    let mut random = Random(u64::from(seed));
    for _ in 0..=random.below(3) {
        change_node(&mut tree, &mut random)?;
    }
    serde_json::to_vec(&tree).ok()
}

fn change_node(tree: &mut Value, random: &mut Random) -> Option<()> {
    let mut paths = Vec::new();
    collect_paths(tree, String::new(), &mut paths);
    let target = paths.get(random.below(paths.len()))?.clone();
    let source = paths.get(random.below(paths.len()))?;
    match random.below(4) {
        0 => *tree.pointer_mut(&target)? = tree.pointer(source)?.clone(),
        1 => *tree.pointer_mut(&target)? = at_a_limit(random),
        2 => leave_out(tree, &target)?,
        _ => double(tree, &target)?,
    }
    Some(())
}

fn collect_paths(node: &Value, path: String, paths: &mut Vec<String>) {
    match node {
        Value::Array(parts) => {
            for (index, part) in parts.iter().enumerate() {
                collect_paths(part, format!("{path}/{index}"), paths);
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                let name = name.replace('~', "~0").replace('/', "~1");
                collect_paths(field, format!("{path}/{name}"), paths);
            }
        }
        _ => {}
    }
    paths.push(path);
}

fn at_a_limit(random: &mut Random) -> Value {
    let mut values = [
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(i64::MIN),
        json!(i64::MAX),
        json!(u64::MAX),
        json!(u32::MAX),
        json!(1e308),
        json!(-0.0),
        json!(""),
        json!("("),
        json!("9999-12-31"),
        json!("-170141183460469231731687303715884105728"),
        json!([]),
        json!({}),
    ];
    values[random.below(values.len())].take()
}

fn leave_out(tree: &mut Value, path: &str) -> Option<()> {
    let (parent, last) = path.rsplit_once('/')?;
    match tree.pointer_mut(parent)? {
        Value::Array(parts) => drop(parts.remove(last.parse().ok()?)),
        Value::Object(fields) => drop(fields.shift_remove(last)),
        _ => return None,
    }
    Some(())
}

/// Doubles an element of a list in its place; another node becomes a list of itself.
fn double(tree: &mut Value, path: &str) -> Option<()> {
    let (parent, last) = path.rsplit_once('/')?;
    match tree.pointer_mut(parent)? {
        Value::Array(parts) => {
            let index: usize = last.parse().ok()?;
            parts.insert(index, parts.get(index)?.clone());
        }
        Value::Object(fields) => {
            let field = fields.get_mut(last)?;
            *field = json!([field.take()]);
        }
        _ => return None,
    }
    Some(())
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from(mixed ^ (mixed >> 31)).unwrap_or_default() % bound.max(1)
    }
}
