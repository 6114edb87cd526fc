//! Names and their values, in frames that share their parents.

use crate::Value;
use std::sync::Arc;

/// A chain of frames, the innermost first. Cloning is cheap; a frame added to a clone leaves the original as it is.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    frame: Option<Arc<Frame>>,
}

#[derive(Debug)]
struct Frame {
    bindings: Vec<(Arc<str>, Value)>,
    parent: Option<Arc<Frame>>,
}

impl Scope {
    pub fn new() -> Scope {
        Scope::default()
    }

    /// This scope and one more name, which hides an outer one.
    #[must_use]
    pub fn with(&self, name: impl Into<Arc<str>>, value: Value) -> Scope {
        self.with_all([(name.into(), value)])
    }

    /// This scope and one more frame; of a name given twice the last counts.
    #[must_use]
    pub fn with_all<N: Into<Arc<str>>>(&self, bindings: impl IntoIterator<Item = (N, Value)>) -> Scope {
        let bindings = bindings.into_iter().map(|(name, value)| (name.into(), value)).collect();
        Scope { frame: Some(Arc::new(Frame { bindings, parent: self.frame.clone() })) }
    }

    pub fn get(&self, name: &str) -> Option<&Value> {
        let mut frame = self.frame.as_deref();
        while let Some(current) = frame {
            let found = current.bindings.iter().rev().find(|(bound, _)| &**bound == name);
            if let Some((_, value)) = found {
                return Some(value);
            }
            frame = current.parent.as_deref();
        }
        None
    }
}

/// A long chain must not be dropped by recursion.
impl Drop for Frame {
    fn drop(&mut self) {
        let mut next = self.parent.take();
        while let Some(frame) = next {
            next = Arc::try_unwrap(frame).ok().and_then(|mut frame| frame.parent.take());
        }
    }
}
