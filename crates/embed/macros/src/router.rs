//! `#[tool_router(…)]`: `rmcp`'s own, and the list of what the decorated tools say.

use std::collections::BTreeSet;

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{
    Attribute, Expr, Ident, ImplItem, ImplItemFn, ItemImpl, Lit, Meta, Token, Visibility,
    parse_quote,
};

use crate::problems::Problems;
use crate::tool::{is_called, unraw};

/// The router's name when none is given.
const USUAL: &str = "tool_router";
/// Each different `cfg` of a tool doubles the copies of the impl block.
const MAX_CFGS: usize = 4;

/// Expands the attribute: with problems to their errors and the impl block as it was.
pub(crate) fn tool_router(arguments: &TokenStream, item: TokenStream) -> TokenStream {
    let mut problems = Problems::default();
    let Ok(block) = syn::parse2::<ItemImpl>(item.clone()) else {
        let text = "`#[tool_router]` stands on an impl block; move it above `impl YourServer`";
        problems.add(Span::call_site(), text);
        return problems.to_compile_errors().into_iter().chain(item).collect();
    };
    let cfgs: BTreeSet<String> = block.items.iter().filter_map(tool).flat_map(cfgs).collect();
    check(&block, &cfgs, &mut problems);
    if !problems.is_empty() {
        return problems.to_compile_errors().into_iter().chain(item).collect();
    }
    let router = Router::read(arguments);
    let blocks = choices(&cfgs).into_iter().map(|choice| router.block(&block, &choice));
    let secured = (router.name == USUAL).then(|| secured(&block));
    quote!(#(#blocks)* #secured)
}

fn check(block: &ItemImpl, cfgs: &BTreeSet<String>, problems: &mut Problems) {
    if let Some((_, path, _)) = &block.trait_ {
        let place = path.span();
        let text = "`#[tool_router]` stands on an impl block of a trait; put the tools into one without, `impl YourServer`";
        problems.add(place, text);
    }
    if cfgs.len() > MAX_CFGS {
        let text = format!(
            "the tools of this impl block have more than {MAX_CFGS} different `#[cfg]`; put some into a second impl block with a router of its own"
        );
        problems.add(Span::call_site(), text);
    }
    for method in block.items.iter().filter_map(method) {
        for attribute in method.attrs.iter().filter(|attribute| hides_rules(attribute)) {
            let place = attribute.path().span();
            let text = "`#[secure_tool]` in `#[cfg_attr]` is not seen here; write it without, and `#[cfg]` on the method where it must be";
            problems.add(place, text);
        }
    }
}

fn hides_rules(attribute: &Attribute) -> bool {
    let Meta::List(list) = &attribute.meta else { return false };
    is_called(attribute, "cfg_attr") && list.tokens.to_string().contains("secure_tool")
}

fn method(item: &ImplItem) -> Option<&ImplItemFn> {
    if let ImplItem::Fn(method) = item { Some(method) } else { None }
}

/// A method that `rmcp` takes for a tool.
fn tool(item: &ImplItem) -> Option<&ImplItemFn> {
    method(item).filter(|method| method.attrs.iter().any(|it| is_called(it, "tool")))
}

fn cfgs(method: &ImplItemFn) -> impl Iterator<Item = String> {
    method.attrs.iter().filter_map(|attribute| match &attribute.meta {
        Meta::List(list) if list.path.is_ident("cfg") => Some(list.tokens.to_string()),
        _ => None,
    })
}

/// Every way in which the `cfg`s of tools may turn out: those that hold, and those that do not.
fn choices(cfgs: &BTreeSet<String>) -> Vec<Vec<(String, bool)>> {
    let mut choices = vec![Vec::new()];
    for cfg in cfgs {
        choices = choices
            .into_iter()
            .flat_map(|choice: Vec<(String, bool)>| {
                [true, false].map(|holds| {
                    let mut choice = choice.clone();
                    choice.push((cfg.clone(), holds));
                    choice
                })
            })
            .collect();
    }
    choices
}

/// The arguments of the attribute, as far as they matter here.
#[derive(Debug)]
struct Router {
    arguments: TokenStream,
    name: String,
    visibility: Visibility,
    may_be_empty: bool,
}

impl Router {
    /// Arguments that make no sense are left to `rmcp` to tell.
    fn read(arguments: &TokenStream) -> Self {
        let mut router = Self {
            arguments: arguments.clone(),
            name: USUAL.to_owned(),
            visibility: Visibility::Inherited,
            may_be_empty: false,
        };
        let parser = Punctuated::<Meta, Token![,]>::parse_terminated;
        let metas = syn::parse::Parser::parse2(parser, arguments.clone()).unwrap_or_default();
        for meta in metas {
            router.may_be_empty |= meta.path().is_ident("allow_empty");
            let Meta::NameValue(pair) = meta else { continue };
            let Some(word) = word(&pair.value) else { continue };
            if pair.path.is_ident("router") {
                let name = syn::parse_str::<Ident>(&word);
                router.name = name.map_or(router.name, |name| unraw(&name));
            } else if pair.path.is_ident("vis") {
                let visibility = syn::parse_str::<Visibility>(&word);
                router.visibility = visibility.unwrap_or(Visibility::Inherited);
            }
        }
        router
    }

    /// The impl block with the tools that `choice` leaves, under `rmcp`'s attribute.
    ///
    /// `rmcp` names every tool in its router, so what a `cfg` takes away must be gone before.
    fn block(&self, block: &ItemImpl, choice: &[(String, bool)]) -> TokenStream {
        let mut block = block.clone();
        let gone = |cfg: &String| choice.iter().any(|(known, holds)| known == cfg && !holds);
        block.items.retain(|item| !tool(item).is_some_and(|tool| cfgs(tool).any(|cfg| gone(&cfg))));
        let empty = !block.items.iter().any(|item| tool(item).is_some());
        block.items.push(self.list(&block));
        let mut arguments = self.arguments.clone();
        if empty && !choice.is_empty() && !self.may_be_empty {
            let comma = (!arguments.is_empty()).then(|| quote!(,));
            arguments = quote!(#arguments #comma allow_empty);
        }
        let conditions = choice.iter().map(|(cfg, holds)| {
            let cfg: TokenStream = cfg.parse().unwrap_or_default();
            if *holds { cfg } else { quote!(not(#cfg)) }
        });
        let conditions = (!choice.is_empty()).then(|| quote!(#[cfg(all(#(#conditions),*))]));
        quote! {
            #conditions
            #[::haechi_embed::rmcp::tool_router(#arguments)]
            #block
        }
    }

    /// `<router>_security`, over the decorated tools of `block`.
    fn list(&self, block: &ItemImpl) -> ImplItem {
        let Self { name, visibility, .. } = self;
        let function = list_name(name);
        let decorated = block.items.iter().filter_map(tool).filter(|tool| is_decorated(tool));
        let rows = decorated.map(|tool| {
            let name = unraw(&tool.sig.ident);
            let described = format_ident!("{name}_tool_attr");
            let security = format_ident!("{name}_security");
            quote!((Self::#described().name, Self::#security()))
        });
        let text =
            format!("The decorated tools of `{name}`, with what their `#[secure_tool]` says.");
        parse_quote! {
            #[doc = #text]
            #visibility fn #function() -> ::std::vec::Vec<(
                ::std::borrow::Cow<'static, str>,
                ::haechi_embed::ToolSecurity,
            )> {
                ::std::vec![#(#rows),*]
            }
        }
    }
}

fn is_decorated(tool: &ImplItemFn) -> bool {
    tool.attrs.iter().any(|attribute| is_called(attribute, "secure_tool"))
}

fn list_name(router: &str) -> Ident {
    format_ident!("{router}_security", span = Span::call_site())
}

/// `name` or `"name"`.
fn word(value: &Expr) -> Option<String> {
    match value {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Str(text) => Some(text.value()),
            _ => None,
        },
        Expr::Path(path) => path.path.get_ident().map(unraw),
        _ => None,
    }
}

fn secured(block: &ItemImpl) -> TokenStream {
    let (generics, _, bounds) = block.generics.split_for_impl();
    let server = &block.self_ty;
    let cfg = block.attrs.iter().filter(|it| is_called(it, "cfg")).map(ToTokens::to_token_stream);
    let function = list_name(USUAL);
    quote! {
        #(#cfg)*
        impl #generics ::haechi_embed::Secured for #server #bounds {
            fn tool_security() -> ::std::vec::Vec<(
                ::std::borrow::Cow<'static, str>,
                ::haechi_embed::ToolSecurity,
            )> {
                Self::#function()
            }
        }
    }
}
