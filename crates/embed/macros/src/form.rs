//! The form of options, before their meaning: `word`, `word(…)` and `word = …`, between commas.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::spanned::Spanned;
use syn::{Expr, ExprLit, Lit, LitInt, LitStr, Meta};

use crate::problems::Problems;

/// One option.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) name: String,
    pub(crate) span: Span,
    pub(crate) form: Form,
}

/// What stands behind the word of an option.
#[derive(Debug)]
pub(crate) enum Form {
    Bare,
    List(TokenStream),
    Value(Expr),
}

/// The options between commas; what is none becomes a problem that ends in `example`.
pub(crate) fn items(tokens: TokenStream, example: &str, problems: &mut Problems) -> Vec<Item> {
    let mut items = Vec::new();
    for piece in pieces(tokens, problems) {
        let place = piece.span();
        match syn::parse2::<Meta>(piece).ok().and_then(item) {
            Some(item) => items.push(item),
            None => problems.add(place, format!("this is no option; write for example {example}")),
        }
    }
    items
}

fn item(meta: Meta) -> Option<Item> {
    let ident = meta.path().get_ident()?;
    let (name, span) = (ident.to_string(), ident.span());
    let form = match meta {
        Meta::Path(_) => Form::Bare,
        Meta::List(list) if matches!(list.delimiter, syn::MacroDelimiter::Paren(_)) => {
            Form::List(list.tokens)
        }
        Meta::List(_) => return None,
        Meta::NameValue(pair) => Form::Value(pair.value),
    };
    Some(Item { name, span, form })
}

/// Texts between commas, each with its place.
pub(crate) fn texts(tokens: TokenStream, example: &str, problems: &mut Problems) -> Vec<LitStr> {
    let mut texts = Vec::new();
    for piece in pieces(tokens, problems) {
        let place = piece.span();
        match syn::parse2::<LitStr>(piece) {
            Ok(text) => texts.push(text),
            Err(_) => problems.add(place, format!("this is no text; write for example {example}")),
        }
    }
    texts
}

/// What stands between commas; one may follow the last.
fn pieces(tokens: TokenStream, problems: &mut Problems) -> Vec<TokenStream> {
    let mut pieces = Vec::new();
    let mut piece = TokenStream::new();
    for token in tokens {
        match token {
            TokenTree::Punct(comma) if comma.as_char() == ',' => {
                if piece.is_empty() {
                    problems.add(comma.span(), "nothing stands before this comma; remove it");
                } else {
                    pieces.push(std::mem::take(&mut piece));
                }
            }
            token => token.to_tokens(&mut piece),
        }
    }
    pieces.extend((!piece.is_empty()).then_some(piece));
    pieces
}

impl Form {
    /// `= "text"`.
    pub(crate) fn text(self) -> Option<LitStr> {
        let Self::Value(Expr::Lit(ExprLit { lit: Lit::Str(text), .. })) = self else { return None };
        Some(text)
    }

    /// `= 4`.
    pub(crate) fn number(self) -> Option<LitInt> {
        let Self::Value(Expr::Lit(ExprLit { lit: Lit::Int(number), .. })) = self else {
            return None;
        };
        Some(number)
    }

    /// `= ["text", "text"]`, or `= "text"` for a single one.
    pub(crate) fn one_or_more(self, example: &str, problems: &mut Problems) -> Option<Vec<LitStr>> {
        match self {
            Self::Value(Expr::Array(array)) => {
                Some(texts(array.elems.to_token_stream(), example, problems))
            }
            other => other.text().map(|text| vec![text]),
        }
    }
}
