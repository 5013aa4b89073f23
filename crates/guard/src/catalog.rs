//! The tools that upstreams have shown: what policy reads of them, and their schemas.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use haechi_core::UpstreamName;
use haechi_core::json::Text;
use haechi_policy::{Annotations, KnownTool};
use serde_json::Value;

/// Tools of one upstream that are remembered; more are not.
const MAX_TOOLS: usize = 10_000;

/// One tool as its upstream last showed it.
#[derive(Debug)]
struct Shown {
    known: Arc<KnownTool>,
    input_schema: Option<Arc<str>>,
    output_schema: Option<Arc<Value>>,
}

#[derive(Debug, Default)]
struct Shelf {
    /// Digests of the pages that were read last, so that an unchanged list is not read again.
    pages: HashMap<u64, ()>,
    tools: HashMap<Arc<str>, Shown>,
}

/// The tools that upstreams have shown, by whichever caller's list.
#[derive(Debug, Default)]
pub struct Catalog {
    shelves: RwLock<HashMap<UpstreamName, Shelf>>,
    version: AtomicU64,
}

impl Catalog {
    /// A catalog that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Learns the `result` of a `tools/list`, unfiltered.
    pub fn learn(&self, upstream: &UpstreamName, result: Text<'_>) {
        let Some(tools) = result.member("tools") else { return };
        let mut hasher = DefaultHasher::new();
        tools.raw().hash(&mut hasher);
        let page = hasher.finish();
        if self.has_page(upstream, page) {
            return;
        }
        let mut shelves = self.shelves.write().unwrap_or_else(PoisonError::into_inner);
        let shelf = shelves.entry(upstream.clone()).or_default();
        if shelf.pages.len() >= 256 {
            shelf.pages.clear();
        }
        shelf.pages.insert(page, ());
        for tool in tools.elements() {
            shelf.put(upstream, tool);
        }
        self.version.fetch_add(1, Ordering::Release);
    }

    /// Rises whenever a list has shown something new: policy judges faster, and warns of rules that
    /// fit nothing, when it is compiled again with what [`Catalog::all`] gives.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// What policy reads of `tool`; `None` when no list has shown it.
    #[must_use]
    pub fn tool(&self, upstream: &UpstreamName, tool: &str) -> Option<Arc<KnownTool>> {
        let shelves = self.shelves.read().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(&shelves.get(upstream)?.tools.get(tool)?.known))
    }

    /// The exact text of the tool's `inputSchema`.
    #[must_use]
    pub fn input_schema(&self, upstream: &UpstreamName, tool: &str) -> Option<Arc<str>> {
        let shelves = self.shelves.read().unwrap_or_else(PoisonError::into_inner);
        shelves.get(upstream)?.tools.get(tool)?.input_schema.clone()
    }

    /// The tool's `outputSchema`.
    #[must_use]
    pub fn output_schema(&self, upstream: &UpstreamName, tool: &str) -> Option<Arc<Value>> {
        let shelves = self.shelves.read().unwrap_or_else(PoisonError::into_inner);
        shelves.get(upstream)?.tools.get(tool)?.output_schema.clone()
    }

    /// Everything that was shown, sorted by upstream and tool.
    #[must_use]
    pub fn all(&self) -> Vec<KnownTool> {
        let shelves = self.shelves.read().unwrap_or_else(PoisonError::into_inner);
        let shown = shelves.values().flat_map(|shelf| shelf.tools.values());
        let mut tools: Vec<KnownTool> = shown.map(|tool| (*tool.known).clone()).collect();
        tools.sort_by(|a, b| (&a.upstream, &a.tool).cmp(&(&b.upstream, &b.tool)));
        tools
    }

    fn has_page(&self, upstream: &UpstreamName, page: u64) -> bool {
        let shelves = self.shelves.read().unwrap_or_else(PoisonError::into_inner);
        shelves.get(upstream).is_some_and(|shelf| shelf.pages.contains_key(&page))
    }
}

impl Shelf {
    fn put(&mut self, upstream: &UpstreamName, tool: Text<'_>) {
        let Some(name) = tool.member("name").and_then(Text::string) else { return };
        if self.tools.len() >= MAX_TOOLS && !self.tools.contains_key(&*name) {
            return;
        }
        let schema = tool.member("inputSchema");
        let known = KnownTool {
            upstream: upstream.as_str().to_owned(),
            tool: name.clone().into_owned(),
            input_schema: schema.map(Text::to_value),
            annotations: annotations(tool.member("annotations")),
            tags: Vec::new(),
        };
        let input_schema = schema.map(|schema| schema.raw().into());
        let output_schema = tool.member("outputSchema").map(|schema| Arc::new(schema.to_value()));
        let shown = Shown { known: Arc::new(known), input_schema, output_schema };
        self.tools.insert(name.as_ref().into(), shown);
    }
}

fn annotations(stated: Option<Text<'_>>) -> Annotations {
    let hint = |name| stated.and_then(|stated| stated.member(name)?.boolean());
    Annotations {
        read_only: hint("readOnlyHint"),
        destructive: hint("destructiveHint"),
        idempotent: hint("idempotentHint"),
        open_world: hint("openWorldHint"),
    }
}

#[cfg(test)]
mod tests {
    use haechi_core::json::{Checked, Limits};

    use super::*;

    #[test]
    fn a_list_teaches_schemas_and_hints() {
        let list = r#"{"tools":[{"name":"rm","inputSchema":{"type":"object"},"annotations":{"destructiveHint":true}},{"no":"name"}]}"#;
        let list = Checked::new(list.into(), &Limits::WIRE).expect("valid");
        let (catalog, files) = (Catalog::new(), UpstreamName("files".into()));
        catalog.learn(&files, list.text());
        catalog.learn(&files, list.text());
        assert_eq!(catalog.version(), 1, "the same page twice teaches nothing new");
        let tool = catalog.tool(&files, "rm").expect("shown");
        assert_eq!(tool.annotations.destructive, Some(true));
        assert_eq!(catalog.input_schema(&files, "rm").as_deref(), Some(r#"{"type":"object"}"#));
        assert_eq!(catalog.all().len(), 1);
        assert!(catalog.tool(&files, "other").is_none());
    }
}
