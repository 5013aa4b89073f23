//! What was found and done, counted by kind and place.

use std::collections::HashMap;
use std::sync::Arc;

use haechi_core::FindingCount;

/// The longest path that is told, in bytes.
const MAX_PATH_BYTES: usize = 128;

/// Counts, in the order of their first finding.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    list: Vec<FindingCount>,
    places: HashMap<(Arc<str>, Arc<str>, &'static str), usize>,
}

impl Counts {
    pub(crate) fn add(&mut self, kind: &Arc<str>, field: &Arc<str>, action: &'static str) {
        let key = (Arc::clone(kind), Arc::clone(field), action);
        let next = self.list.len();
        let index = *self.places.entry(key).or_insert(next);
        if let Some(count) = self.list.get_mut(index) {
            count.count = count.count.saturating_add(1);
            return;
        }
        let path = cut(field).to_owned();
        self.list.push(FindingCount {
            kind: Arc::clone(kind),
            path,
            count: 1,
            action: action.into(),
        });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(crate) fn into_vec(self) -> Vec<FindingCount> {
        self.list
    }
}

fn cut(field: &str) -> &str {
    let mut end = field.len().min(MAX_PATH_BYTES);
    while !field.is_char_boundary(end) {
        end -= 1;
    }
    field.get(..end).unwrap_or_default()
}
