//! `Mcp-Param-*`: arguments that a tool's schema wants mirrored (`x-mcp-header`).

use haechi_core::json::{Kind, Text};
use http::{HeaderMap, HeaderName};

use super::{HeaderError, HeaderProblem, PARAMETER_PREFIX, value};

/// The keyword that annotates a property.
const KEYWORD: &str = "x-mcp-header";
/// The most annotations in one schema.
const MAX_PARAMETERS: usize = 64;
/// Keywords whose members are schemas under names of the schema's author.
const MAPS: [&str; 4] = ["$defs", "definitions", "dependentSchemas", "patternProperties"];
/// Keywords whose values are instances and not schemas.
const INSTANCES: [&str; 4] = ["const", "default", "enum", "examples"];

/// Why a schema's annotations cannot be used: a client over HTTP must leave the tool out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnnotationError {
    /// It stands where `properties` alone do not lead.
    #[error("`x-mcp-header` stands outside the properties of the input")]
    Misplaced,
    /// It is not a token (RFC 9110 §5.6.2).
    #[error("`x-mcp-header` is not a header name")]
    NotAToken,
    /// Two properties claim one header, which has no case.
    #[error("`x-mcp-header` names one header twice")]
    Duplicate,
    /// The property is not a string, an integer or a boolean.
    #[error("`x-mcp-header` annotates what is no string, integer or boolean")]
    NotPrimitive,
    /// More than 64 of them.
    #[error("`x-mcp-header` stands at more than 64 properties")]
    TooMany,
}

/// The headers that mirror the arguments of one tool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParameterHeaders(Vec<ParameterHeader>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct ParameterHeader {
    header: HeaderName,
    /// The names of properties from the root down.
    path: Vec<String>,
}

impl ParameterHeaders {
    /// Collects the annotations of a tool's `inputSchema`.
    ///
    /// # Errors
    ///
    /// The first annotation that is invalid, wherever it stands: the tool has to be left out.
    pub fn read(schema: Text<'_>) -> Result<Self, AnnotationError> {
        let mut found = Self::default();
        // Most schemas have none, and a search of bytes is cheaper than a walk.
        if schema.raw().contains("mcp-header") || schema.raw().contains("\\u") {
            found.walk(schema, Some(&mut Vec::new()))?;
        }
        Ok(found)
    }

    /// Whether nothing is to be mirrored.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Holds the headers of a `tools/call` against its `params.arguments`.
    ///
    /// # Errors
    ///
    /// The first header that is missing, mirrors nothing, or does not say what its argument says.
    pub fn check(
        &self,
        headers: &HeaderMap,
        arguments: Option<Text<'_>>,
    ) -> Result<(), HeaderError> {
        for parameter in &self.0 {
            let header = &parameter.header;
            let found = value::sole(headers, header)?.map(|found| value::decode(header, found));
            let problem = match (found.transpose()?, parameter.argument(arguments)) {
                (None, None) => continue,
                (Some(found), Some(argument)) if says(argument, &found) => continue,
                (Some(_), Some(_)) => HeaderProblem::Mismatch,
                (Some(_), None) => HeaderProblem::Unexpected,
                (None, Some(_)) => HeaderProblem::Missing,
            };
            return Err(problem.of(header.clone()));
        }
        Ok(())
    }

    /// Gives a `tools/call` to an upstream the headers that mirror its `params.arguments`, in
    /// place of any it has by these names.
    ///
    /// # Errors
    ///
    /// None for arguments that passed the scanner.
    pub fn write(
        &self,
        headers: &mut HeaderMap,
        arguments: Option<Text<'_>>,
    ) -> Result<(), HeaderError> {
        for parameter in &self.0 {
            headers.remove(&parameter.header);
            if let Some(argument) = parameter.argument(arguments) {
                let mirrored = value::encode(&parameter.header, &mirror(argument))?;
                headers.insert(parameter.header.clone(), mirrored);
            }
        }
        Ok(())
    }

    /// Walks `schema`; `path` leads to it, as long as `properties` alone do.
    fn walk(
        &mut self,
        schema: Text<'_>,
        mut path: Option<&mut Vec<String>>,
    ) -> Result<(), AnnotationError> {
        // Recursion is bounded by the depth that the scanner allows.
        for element in schema.elements() {
            self.walk(element, None)?;
        }
        for member in schema.members() {
            match &*member.key {
                KEYWORD => self.add(schema, member.value, path.as_deref())?,
                "properties" => self.walk_properties(member.value, path.as_deref_mut())?,
                key if MAPS.contains(&key) => self.walk_properties(member.value, None)?,
                key if INSTANCES.contains(&key) => {}
                _ => self.walk(member.value, None)?,
            }
        }
        Ok(())
    }

    fn walk_properties(
        &mut self,
        properties: Text<'_>,
        mut path: Option<&mut Vec<String>>,
    ) -> Result<(), AnnotationError> {
        for property in properties.members() {
            let Some(path) = path.as_deref_mut() else {
                self.walk(property.value, None)?;
                continue;
            };
            path.push(property.key.into_owned());
            self.walk(property.value, Some(path))?;
            path.pop();
        }
        Ok(())
    }

    fn add(
        &mut self,
        schema: Text<'_>,
        annotation: Text<'_>,
        path: Option<&Vec<String>>,
    ) -> Result<(), AnnotationError> {
        let path = path.filter(|path| !path.is_empty()).ok_or(AnnotationError::Misplaced)?;
        let name = annotation.string().filter(|name| !name.is_empty());
        // `HeaderName` takes tokens only, and gives them in lower case.
        let header = name.and_then(|name| format!("{PARAMETER_PREFIX}{name}").parse().ok());
        let header: HeaderName = header.ok_or(AnnotationError::NotAToken)?;
        let kind = schema.member("type").and_then(Text::string);
        if !matches!(kind.as_deref(), Some("string" | "integer" | "boolean")) {
            return Err(AnnotationError::NotPrimitive);
        }
        if self.0.iter().any(|other| other.header == header) {
            return Err(AnnotationError::Duplicate);
        }
        if self.0.len() >= MAX_PARAMETERS {
            return Err(AnnotationError::TooMany);
        }
        self.0.push(ParameterHeader { header, path: path.clone() });
        Ok(())
    }
}

impl ParameterHeader {
    /// The argument to mirror: a string, number or boolean.
    fn argument<'a>(&self, arguments: Option<Text<'a>>) -> Option<Text<'a>> {
        let argument = self.path.iter().try_fold(arguments?, |at, name| at.member(name))?;
        matches!(argument.kind(), Kind::String | Kind::Number | Kind::Boolean).then_some(argument)
    }
}

/// What a header says for `argument`.
fn mirror(argument: Text<'_>) -> String {
    match (argument.kind(), whole(argument)) {
        (Kind::String, _) => argument.string().unwrap_or_default().into_owned(),
        (Kind::Number, Some(whole)) => whole.to_string(),
        _ => argument.raw().to_owned(),
    }
}

/// Whether a decoded header says what `argument` says. `1e2` may be mirrored as written or as
/// `100`: that is how a client that has parsed it prints it.
fn says(argument: Text<'_>, found: &str) -> bool {
    let as_written = argument.kind() != Kind::String && found == argument.raw();
    as_written || found == mirror(argument)
}

/// A number as an integer, where it is one and every reader knows it exactly (RFC 8259 §6).
fn whole(argument: Text<'_>) -> Option<i64> {
    const MAX_SAFE: f64 = 9_007_199_254_740_991.0;
    let number = argument.number().filter(|number| number.fract() == 0.0)?;
    #[expect(clippy::cast_possible_truncation, reason = "between −2^53 and 2^53 nothing is lost")]
    (number.abs() <= MAX_SAFE).then_some(number as i64)
}
