//! Two skills (the extension `io.modelcontextprotocol/skills`): files, and directories to read.

use rmcp::ErrorData;
use rmcp::model::*;

/// Every file of every skill, by its URI.
const FILES: [(&str, &str); 4] = [
    (NOTES, NOTES_TEXT),
    ("skill://release-notes/templates/short.md", "# {version}\n\n- {change}\n"),
    ("skill://release-notes/templates/long.md", "# {version}\n\n## Changed\n\n- {change}\n"),
    (UPTIME, UPTIME_TEXT),
];

const NOTES: &str = "skill://release-notes/SKILL.md";
const NOTES_TEXT: &str = "---\nname: release-notes\ndescription: Write release notes from a list \
                          of changes\n---\n\n# Release notes\n\nTake a template of `templates/`.\n";
const UPTIME: &str = "skill://uptime/SKILL.md";
const UPTIME_TEXT: &str = "---\nname: uptime\ndescription: Tell how long the server has been \
                           up\n---\n\n# Uptime\n\nThis file is written anew on every read.\n";

/// The page behind `cursor`: one skill each, and the cursor is the number of the skill.
pub(crate) fn page(cursor: Option<&str>) -> Result<ListSkillsResult, ErrorData> {
    let number: usize = match cursor {
        None => 0,
        Some(text) => text.parse().map_err(|_| unknown("cursor", text))?,
    };
    let skills = all();
    let skill = skills.get(number).cloned();
    let skill = skill.ok_or_else(|| unknown("cursor", cursor.unwrap_or_default()))?;
    let mut page = ListSkillsResult::with_all_items(vec![skill]);
    page.next_cursor = (number + 1 < skills.len()).then(|| (number + 1).to_string());
    Ok(page)
}

/// The skill whose `SKILL.md` has this URI.
pub(crate) fn one(uri: &str) -> Result<GetSkillResult, ErrorData> {
    let skill = all().into_iter().find(|skill| skill.uri == uri);
    skill.map(GetSkillResult::new).ok_or_else(|| unknown("skill", uri))
}

fn all() -> [Skill; 2] {
    let about = |(name, description)| SkillFrontmatter::new(name, description);
    let uptime = ("uptime", "Tell how long the server has been up");
    let notes = ("release-notes", "Write release notes from a list of changes");
    [
        Skill::new(
            NOTES,
            about(notes),
            SkillResources::Files(files_under("skill://release-notes/")),
        ),
        Skill::new(UPTIME, about(uptime), SkillResources::Dynamic),
    ]
}

fn files_under(directory: &str) -> Vec<SkillResource> {
    let files = FILES.iter().filter(|(uri, _)| uri.starts_with(directory));
    files.map(|(uri, text)| SkillResource::from_bytes(*uri, text.as_bytes())).collect()
}

/// The skills' own files as they are listed among the resources.
pub(crate) fn resources() -> Vec<Resource> {
    let listed = |skill: Skill| {
        Resource::new(skill.uri, skill.frontmatter.name)
            .with_description(skill.frontmatter.description)
            .with_mime_type("text/markdown")
    };
    all().into_iter().map(listed).collect()
}

/// The text of a file.
pub(crate) fn text(uri: &str) -> Option<&'static str> {
    FILES.iter().find(|(known, _)| *known == uri).map(|(_, text)| *text)
}

/// The direct children of a directory.
pub(crate) fn directory(uri: &str) -> Result<ReadResourceDirectoryResult, ErrorData> {
    let directory = format!("{}/", uri.trim_end_matches('/'));
    let mut children: Vec<Resource> = Vec::new();
    for rest in FILES.iter().filter_map(|(file, _)| file.strip_prefix(&directory)) {
        let child = match rest.split_once('/') {
            Some((folder, _)) => Resource::new(format!("{directory}{folder}"), folder)
                .with_mime_type(DIRECTORY_MIME_TYPE),
            None => {
                Resource::new(format!("{directory}{rest}"), rest).with_mime_type("text/markdown")
            }
        };
        if children.iter().all(|known| known.uri != child.uri) {
            children.push(child);
        }
    }
    if children.is_empty() {
        return Err(unknown("directory", uri));
    }
    Ok(ListResourcesResult::with_all_items(children))
}

fn unknown(what: &str, which: &str) -> ErrorData {
    ErrorData::invalid_params(format!("there is no {what} `{which}`"), None)
}
