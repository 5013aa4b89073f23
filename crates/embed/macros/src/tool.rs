//! `#[secure_tool(…)]`: the method that it stands on, and what becomes of it.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote};
use syn::spanned::Spanned;
use syn::{Attribute, FnArg, Ident, ImplItemFn, Meta, ReturnType, Type, parse_quote};

use crate::problems::Problems;
use crate::role::KnownRoles;
use crate::{attribute, expand};

/// Attributes that speak of the tool, and stay with it alone.
const OF_THE_TOOL: [&str; 4] = ["doc", "tool", "deprecated", "must_use"];
/// Attributes that hold for the tool and for what it calls.
const OF_BOTH: [&str; 6] = ["cfg", "cfg_attr", "allow", "warn", "deny", "forbid"];

/// Expands the attribute: with problems to their errors, and to a tool that nobody may call.
pub(crate) fn secure_tool(
    arguments: TokenStream,
    item: TokenStream,
    known: &KnownRoles,
) -> TokenStream {
    let mut problems = Problems::default();
    let rules = attribute::read(arguments, known, &mut problems);
    let Ok(mut method) = syn::parse2::<ImplItemFn>(item.clone()) else {
        let text = "`#[secure_tool]` stands on a method with a body; move it above a `#[tool]`";
        problems.add(Span::call_site(), text);
        return problems.to_compile_errors().into_iter().chain(item).collect();
    };
    drop_second(&mut method, &mut problems);
    check_method(&method, &mut problems);
    let security = security_fn(&method, &expand::security(&rules), known);
    if !problems.is_empty() {
        let errors = problems.to_compile_errors();
        return quote!(#errors #method #security);
    }
    let (tool, unguarded) = split(method);
    quote!(#tool #unguarded #security)
}

/// Whether the last segment of the attribute's path is `name`: renamed modules are no matter.
pub(crate) fn is_called(attribute: &Attribute, name: &str) -> bool {
    attribute.path().segments.last().is_some_and(|segment| segment.ident == name)
}

fn is_one_of(attribute: &Attribute, names: &[&str]) -> bool {
    names.iter().any(|name| is_called(attribute, name))
}

/// The outer attribute sees the inner one, reports it and takes it away.
fn drop_second(method: &mut ImplItemFn, problems: &mut Problems) {
    method.attrs.retain(|attribute| {
        let second = is_called(attribute, "secure_tool");
        if second {
            let text = "`#[secure_tool]` stands twice on this method; put all options into one";
            problems.add(attribute.path().span(), text);
        }
        !second
    });
}

fn check_method(method: &ImplItemFn, problems: &mut Problems) {
    let name = &method.sig.ident;
    if !method.attrs.iter().any(|attribute| is_called(attribute, "tool")) {
        let text = if is_boxed(&method.sig.output) {
            "put `#[secure_tool]` above `#[tool]`; below it, the tool is made before its rules are known"
        } else {
            "there is no `#[tool]` below this `#[secure_tool]`; write it on the next line, and move it there when it stands above"
        };
        problems.add(Span::call_site(), text);
    }
    let place = match method.sig.inputs.first() {
        Some(FnArg::Receiver(receiver)) if is_shared(receiver) => return,
        Some(FnArg::Receiver(receiver)) => receiver.span(),
        _ => name.span(),
    };
    let text = format!(
        "`{name}` does not take `&self`; a guarded tool is a method of its server: write `{name}(&self, …)` in an impl block under `#[tool_router]`"
    );
    problems.add(place, text);
}

fn is_shared(receiver: &syn::Receiver) -> bool {
    matches!(&*receiver.ty, Type::Reference(reference) if reference.mutability.is_none())
}

/// Whether this is `Pin<Box<dyn Future<…>>>`, which `#[tool]` makes of an `async fn`.
fn is_boxed(output: &ReturnType) -> bool {
    let ReturnType::Type(_, returned) = output else { return false };
    let Type::Path(path) = &**returned else { return false };
    let pinned = path.path.segments.last().is_some_and(|segment| segment.ident == "Pin");
    let text = returned.to_token_stream().to_string();
    pinned && text.contains("Box") && text.contains("Future")
}

/// `<name>_security`, which compiles wherever the method does.
fn security_fn(method: &ImplItemFn, security: &TokenStream, known: &KnownRoles) -> TokenStream {
    let name = unraw(&method.sig.ident);
    let function = format_ident!("{name}_security", span = Span::call_site());
    let cfg = method.attrs.iter().filter(|attribute| is_called(attribute, "cfg"));
    let text = format!("What `#[secure_tool]` says of `{name}`.");
    let dependency = known.dependency();
    quote! {
        #[doc = #text]
        #(#cfg)*
        #[must_use]
        pub fn #function() -> ::haechi_embed::ToolSecurity {
            #dependency
            #security
        }
    }
}

/// The tool that its guard lets in, and what was written, which it calls.
fn split(method: ImplItemFn) -> (ImplItemFn, ImplItemFn) {
    let name = method.sig.ident.clone();
    let inner = format_ident!("{}_unguarded", unraw(&name), span = Span::call_site());
    let mut unguarded = method.clone();
    unguarded.sig.ident = inner.clone();
    unguarded.attrs.retain(|attribute| !is_one_of(attribute, &OF_THE_TOOL));
    let text = format!(
        "`{}` without its guard, for tests: nobody asks who calls, and nothing is kept unseen.",
        unraw(&name)
    );
    unguarded.attrs.insert(0, parse_quote!(#[doc = #text]));

    let mut tool = method;
    tool.attrs.retain_mut(stays_with_tool);
    tool.attrs.insert(
        0,
        parse_quote!(#[allow(clippy::too_many_arguments, reason = "one of them is the guard's")]),
    );
    // `rmcp` takes the description from the comments behind the last other attribute.
    tool.attrs.sort_by_key(|attribute| is_called(attribute, "doc"));
    let names = name_parameters(&mut tool);
    tool.sig.inputs.insert(1, parse_quote!(_admitted: ::haechi_embed::hidden::Admitted));
    let wait = tool.sig.asyncness.map(|_| quote!(.await));
    tool.block = parse_quote!({ self.#inner(#(#names),*) #wait });
    (tool, unguarded)
}

/// An `expect` of the author's is met by the author's own code; the tool that calls it only allows.
fn stays_with_tool(attribute: &mut Attribute) -> bool {
    if is_called(attribute, "expect")
        && let Meta::List(list) = &mut attribute.meta
    {
        list.path = parse_quote!(allow);
        return true;
    }
    is_one_of(attribute, &OF_THE_TOOL) || is_one_of(attribute, &OF_BOTH)
}

/// Gives each parameter behind `&self` a plain name, for patterns cannot be passed on.
fn name_parameters(tool: &mut ImplItemFn) -> Vec<Ident> {
    let parameters = tool.sig.inputs.iter_mut().filter_map(|input| match input {
        FnArg::Typed(parameter) => Some(parameter),
        FnArg::Receiver(_) => None,
    });
    let name = |(index, parameter): (usize, &mut syn::PatType)| {
        let name = format_ident!("parameter_{index}", span = Span::mixed_site());
        parameter.attrs.clear();
        *parameter.pat = parse_quote!(#name);
        name
    };
    parameters.enumerate().map(name).collect()
}

/// The name without `r#`.
pub(crate) fn unraw(ident: &Ident) -> String {
    let name = ident.to_string();
    name.strip_prefix("r#").map_or_else(|| name.clone(), str::to_owned)
}
