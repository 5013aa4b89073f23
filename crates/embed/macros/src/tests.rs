//! The macros as functions over tokens: what they read, and that nothing makes them panic.

use proc_macro2::{Delimiter, Group, Literal, Punct, Spacing, Span, TokenStream, TokenTree};
use proptest::prelude::*;
use quote::quote;
use syn::Ident;

use crate::attribute::{self, Recording, Rules, Who};
use crate::problems::Problems;
use crate::role::KnownRoles;
use crate::{router, tool};

fn read(tokens: TokenStream) -> (Rules, Vec<String>) {
    let mut problems = Problems::default();
    let rules = attribute::read(tokens, &KnownRoles::Any, &mut problems);
    (rules, problems.texts())
}

fn secure(arguments: TokenStream, method: TokenStream) -> String {
    tool::secure_tool(arguments, method, &KnownRoles::Any).to_string()
}

#[test]
fn all_options_are_read() {
    let (rules, problems) = read(quote! {
        roles("user", "admin"), scopes("a b"), condition = "true", sensitive(max_age = "5m"),
        encrypt(arguments = ["EMAIL"], results = ["KR_*"]), hash(arguments = "IP"),
        arguments = "refuse", audit(parameters = "none"), timeout = "10s", rate = "10/min",
        concurrency = 4,
    });
    assert_eq!(problems, Vec::<String>::new());
    assert!(matches!(&rules.who, Some(Who::Roles(names)) if names.len() == 2));
    assert_eq!(rules.scopes, ["a", "b"]);
    assert_eq!(rules.sensitive.flatten().map(|it| it.as_secs()), Some(300));
    let [arguments, results] = &rules.protections;
    let named = [("encrypt", vec!["EMAIL_ADDRESS"]), ("hash", vec!["IP_ADDRESS"])];
    assert_eq!(arguments.by_action(), named);
    assert_eq!(results.by_action(), [("encrypt", vec!["KR_*"])]);
    assert!(arguments.otherwise.is_some() && results.otherwise.is_none());
    assert_eq!(rules.recording, Some(Recording::NoNames));
    assert_eq!(rules.rate.map(|(calls, per)| (calls, per.as_secs())), Some((10, 60)));
    assert_eq!(rules.concurrency, Some(4));
}

#[test]
fn every_problem_is_told() {
    let (_, problems) = read(quote! {
        roles("a b"), timeout = 10, rate = "x", concurrency = "4", colour, , audit, sensitive = 1,
        mask(results = ["EMIAL"], results = ["EMAIL"]), condition = "a)", scopes = "x",
    });
    assert_eq!(problems.len(), 12, "{problems:#?}");
}

#[test]
fn conditions_have_their_brackets_and_quotes_in_pairs() {
    for (condition, fits) in [
        ("context.arguments.amount < 100", true),
        (r#"principal.name == "a(\"b" && [1, {"c": (2)}] == []"#, true),
        ("(a", false),
        ("a)", false),
        ("(a]", false),
        (r#"a == "b"#, false),
        (r#"a == "b\""#, false),
        ("", false),
    ] {
        let (_, problems) = read(quote!(authenticated, condition = #condition));
        assert_eq!(problems.is_empty(), fits, "{condition}: {problems:?}");
    }
}

#[test]
fn a_tool_keeps_its_attributes_and_its_guard_comes_first() {
    let method = quote! {
        /// Asks.
        #[cfg(unix)]
        #[expect(unused_variables, reason = "it is short")]
        #[instrument]
        #[tool(name = "other")]
        pub(crate) async fn ask<'a>(&'a self, Parameters(q): Parameters<Q>, mut b: B) -> R { q }
    };
    let written = secure(quote!(anyone), method);
    let expected = quote! {
        #[allow(clippy::too_many_arguments, reason = "one of them is the guard's")]
        #[cfg(unix)]
        #[allow(unused_variables, reason = "it is short")]
        #[tool(name = "other")]
        #[doc = r" Asks."]
        pub(crate) async fn ask<'a>(
            &'a self,
            _admitted: ::haechi_embed::hidden::Admitted,
            parameter_0: Parameters<Q>,
            parameter_1: B
        ) -> R {
            self.ask_unguarded(parameter_0, parameter_1).await
        }
        #[doc = "`ask` without its guard, for tests: nobody asks who calls, and nothing is kept unseen."]
        #[cfg(unix)]
        #[expect(unused_variables, reason = "it is short")]
        #[instrument]
        pub(crate) async fn ask_unguarded<'a>(
            &'a self,
            Parameters(q): Parameters<Q>,
            mut b: B
        ) -> R { q }
        #[doc = "What `#[secure_tool]` says of `ask`."]
        #[cfg(unix)]
        #[must_use]
        pub fn ask_security() -> ::haechi_embed::ToolSecurity {
            ::haechi_embed::ToolSecurity::new(::haechi_embed::Who::Anyone)
        }
    };
    assert_eq!(written, expected.to_string());
}

#[test]
fn with_problems_nobody_may_call_and_the_tool_is_still_there() {
    let method = quote!(
        #[tool]
        async fn ask(&self) {}
    );
    let written = secure(quote!(timeout = "soon"), method);
    assert_eq!(written.matches("compile_error").count(), 2, "{written}");
    let closed = quote!(::haechi_embed::Who::Roles(&[])).to_string();
    assert!(written.contains(&closed) && written.contains("async fn ask"), "{written}");
}

#[test]
fn each_cfg_of_a_tool_gives_two_impl_blocks() {
    let block = quote! {
        impl Server {
            #[cfg(unix)] #[secure_tool(anyone)] #[tool] async fn a(&self) {}
            #[cfg(feature = "x")] #[secure_tool(anyone)] #[tool] async fn b(&self) {}
            #[cfg(unix)] fn no_tool(&self) {}
        }
    };
    let written = router::tool_router(&quote!(router = some, vis = "pub"), block).to_string();
    assert_eq!(written.matches("impl Server").count(), 4, "{written}");
    assert_eq!(written.matches("allow_empty").count(), 1, "{written}");
    assert_eq!(written.matches("pub fn some_security").count(), 4, "{written}");
    assert!(!written.contains("Secured"), "{written}");
    let many = (0..5).map(|index| {
        let feature = format!("f{index}");
        let name = quote::format_ident!("t{index}");
        quote!(#[cfg(feature = #feature)] #[tool] fn #name(&self) {})
    });
    let written = router::tool_router(&quote!(), quote!(impl Server { #(#many)* })).to_string();
    assert!(written.contains("more than 4 different"), "{written}");
}

const WORDS: [&str; 30] = [
    "roles",
    "authenticated",
    "anyone",
    "scopes",
    "condition",
    "sensitive",
    "max_age",
    "encrypt",
    "mask",
    "refuse",
    "arguments",
    "results",
    "audit",
    "parameters",
    "timeout",
    "rate",
    "concurrency",
    "tool",
    "secure_tool",
    "cfg",
    "self",
    "fn",
    "async",
    "impl",
    "pub",
    "router",
    "vis",
    "allow_empty",
    "r#loop",
    "Server",
];
const TEXTS: [&str; 16] = [
    "",
    "admin",
    "a b",
    "10s",
    "99999999999999999999h",
    "10/min",
    "/",
    "EMAIL",
    "KR_*",
    "*",
    "mask:4",
    "generalize:age:x",
    "(\"",
    "off",
    "pub(",
    "가\u{301}𝒳\0",
];

fn token() -> impl Strategy<Value = TokenTree> {
    let word = prop::sample::select(&WORDS[..]).prop_map(|word| {
        word.strip_prefix("r#")
            .map_or_else(
                || Ident::new(word, Span::call_site()),
                |raw| Ident::new_raw(raw, Span::call_site()),
            )
            .into()
    });
    let text = prop_oneof![prop::sample::select(&TEXTS[..]).prop_map(str::to_owned), ".*"];
    let leaf = prop_oneof![
        4 => word,
        3 => text.prop_map(|text| Literal::string(&text).into()),
        1 => any::<u64>().prop_map(|number| Literal::u64_unsuffixed(number).into()),
        4 => prop::sample::select(&[',', '=', '#', '&', ':', ';', '*', '-', '>'][..])
            .prop_map(|sign| Punct::new(sign, Spacing::Alone).into()),
    ];
    leaf.prop_recursive(4, 48, 8, |inner| {
        let delimiter = prop::sample::select(
            &[Delimiter::Parenthesis, Delimiter::Bracket, Delimiter::Brace, Delimiter::None][..],
        );
        (delimiter, prop::collection::vec(inner, 0..8)).prop_map(|(delimiter, tokens)| {
            Group::new(delimiter, tokens.into_iter().collect()).into()
        })
    })
}

fn tokens() -> impl Strategy<Value = TokenStream> {
    prop::collection::vec(token(), 0..12).prop_map(|tokens| tokens.into_iter().collect())
}

proptest! {
    #[test]
    fn any_tokens_are_read_without_panic(arguments in tokens(), item in tokens()) {
        tool::secure_tool(arguments.clone(), item.clone(), &KnownRoles::Any);
        router::tool_router(&arguments, item.clone());
        let body = item.clone();
        let method = quote!(#[tool] async fn ask(&self, q: Q) { #body });
        tool::secure_tool(arguments.clone(), method, &KnownRoles::Any);
        router::tool_router(&arguments, quote!(impl Server { #[secure_tool] #[tool] fn a(&self) {} #item }));
    }

    #[test]
    fn single_options_of_any_content_are_read_without_panic(
        word in prop::sample::select(&WORDS[..17]), content in tokens(), value in token(),
    ) {
        let word: TokenStream = word.parse().unwrap();
        read(quote!(#word(#content)));
        read(quote!(#word = #value));
    }

    #[test]
    fn any_attribute_of_a_router_or_a_method_is_met_without_panic(
        name in "[a-z ]{0,6}|.*", vis in "pub|pub\\(crate\\)|.*", attribute in tokens(),
    ) {
        let method = quote!(#[#attribute] #[secure_tool(anyone)] #[tool] fn a(&self) {});
        router::tool_router(&quote!(router = #name, vis = #vis), quote!(impl Server { #method }));
        tool::secure_tool(quote!(anyone), quote!(#[#attribute] #[tool] fn a(&self) {}), &KnownRoles::Any);
    }
}
