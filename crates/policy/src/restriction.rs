//! What an API key is narrowed to, besides its owner's rights.

use haechi_core::{Action, Restriction};

use crate::glob::{NameGlob, Pattern};
use crate::question::Question;

/// Whether the caller's API key, if there is one, is for what is asked.
///
/// A key narrowed to tools may call those, follow their tasks and list, and nothing else. A glob
/// that cannot be read matches nothing.
pub(crate) fn fits(question: &Question<'_>) -> bool {
    let Some(restriction) = &question.principal.restriction else { return true };
    fits_upstream(restriction, question) && fits_tool(restriction, question)
}

fn fits_upstream(restriction: &Restriction, question: &Question<'_>) -> bool {
    let upstream = question.resource.upstream.as_str();
    restriction.upstreams.is_empty()
        || restriction.upstreams.iter().any(|glob| NameGlob::new(glob).matches(upstream))
}

fn fits_tool(restriction: &Restriction, question: &Question<'_>) -> bool {
    if restriction.tools.is_empty() {
        return true;
    }
    let (upstream, name) = (question.resource.upstream.as_str(), &*question.resource.name);
    let mut patterns = restriction.tools.iter().filter_map(|text| Pattern::parse(text, false).ok());
    match question.action {
        Action::CallTool | Action::UseTask => patterns.any(|p| p.matches(upstream, name)),
        Action::List => patterns.any(|pattern| pattern.upstream.matches(upstream)),
        Action::ReadResource
        | Action::GetPrompt
        | Action::Complete
        | Action::Subscribe
        | Action::Other => false,
    }
}
