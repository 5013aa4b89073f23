//! What an attribute says, as an expression of type `ToolSecurity`.

use std::time::Duration;

use proc_macro2::TokenStream;
use quote::quote;

use crate::attribute::{Recording, Rules, Who};
use crate::protection::Protections;

/// The expression for `rules`; without a word on who may call, nobody may.
pub(crate) fn security(rules: &Rules) -> TokenStream {
    let who = match &rules.who {
        Some(Who::Roles(names)) => quote!(Roles(&[#(#names),*])),
        Some(Who::Authenticated) => quote!(Authenticated),
        Some(Who::Anyone) => quote!(Anyone),
        None => quote!(Roles(&[])),
    };
    let limits = limits(rules);
    let scopes = &rules.scopes;
    let scopes = (!scopes.is_empty()).then(|| quote!(.with_scopes(&[#(#scopes),*])));
    let condition = rules.condition.iter();
    let [arguments, results] = &rules.protections;
    let arguments = protections(arguments).map(|list| quote!(.with_arguments(#list)));
    let results = protections(results).map(|list| quote!(.with_results(#list)));
    quote! {
        ::haechi_embed::ToolSecurity::new(::haechi_embed::Who::#who)
            #scopes
            #(.with_condition(#condition))*
            #arguments
            #results
            #limits
    }
}

fn limits(rules: &Rules) -> TokenStream {
    let sensitive = rules.sensitive.map(|max_age| match max_age.map(duration) {
        Some(max_age) => quote!(.with_sensitive(::core::option::Option::Some(#max_age))),
        None => quote!(.with_sensitive(::core::option::Option::None)),
    });
    let recording = rules.recording.map(|recording| match recording {
        Recording::Names => quote!(.with_recording(::haechi_embed::Recording::Names)),
        Recording::NoNames => quote!(.with_recording(::haechi_embed::Recording::NoNames)),
        Recording::Off => quote!(.with_recording(::haechi_embed::Recording::Off)),
    });
    let timeout = rules.timeout.map(duration).map(|timeout| quote!(.with_timeout(#timeout)));
    let rate = rules.rate.map(|(calls, per)| {
        let per = duration(per);
        quote!(.with_rate(::haechi_embed::Rate { calls: #calls, per: #per }))
    });
    let concurrency = rules.concurrency.map(|calls| quote!(.with_concurrency(#calls)));
    quote!(#sensitive #recording #timeout #rate #concurrency)
}

fn duration(duration: Duration) -> TokenStream {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    quote!(::core::time::Duration::from_millis(#millis))
}

/// The kinds that are named come first: of these rules, the first that fits decides.
fn protections(direction: &Protections) -> Option<TokenStream> {
    let named = direction.by_action().into_iter().map(|(action, kinds)| {
        quote!(::haechi_embed::Protection { action: #action, kinds: &[#(#kinds),*] })
    });
    let otherwise = direction
        .otherwise
        .iter()
        .map(|action| quote!(::haechi_embed::Protection { action: #action, kinds: &[] }));
    let all: Vec<TokenStream> = named.chain(otherwise).collect();
    (!all.is_empty()).then(|| quote!(&[#(#all),*]))
}
