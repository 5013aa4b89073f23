//! `[upstream.authorization]`: what is accepted, and what is wrong under which key.

use std::path::Path;

use haechi_assembly::Settings;
use haechi_assembly::settings::{
    AuthorizationKind, Carrier, ClientProof, DpopRule, SubjectToken, SubjectTokenKind,
    UpstreamAuthorization,
};

fn text(upstream: &str, authorization: &str) -> String {
    format!("[[upstream]]\nname = \"crm\"\n{upstream}\n[upstream.authorization]\n{authorization}")
}

const URL: &str = "url = \"https://crm.example/mcp\"";

fn settings(folder: &Path, authorization: &str) -> Result<Option<UpstreamAuthorization>, String> {
    let read = Settings::parse(&text(URL, authorization), folder);
    let settings = read.map_err(|problems| problems.to_string())?;
    match &settings.upstreams[0].carrier {
        Carrier::Http(carrier) => Ok(carrier.authorization.as_deref().cloned()),
        _ => Err("no URL".to_owned()),
    }
}

#[test]
fn each_kind_is_read_as_it_stands() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("secret"), "s3cret").unwrap();
    let linked = settings(folder.path(), "kind = \"linked_account\"").unwrap().unwrap();
    assert_eq!(linked.kind, AuthorizationKind::LinkedAccount);
    assert!(linked.registers && linked.issuer.is_none() && linked.client.is_none());
    assert_eq!((linked.subject, linked.dpop), (SubjectToken::Signed, DpopRule::WhenAsked));
    let exchange = settings(
        folder.path(),
        "kind = \"token_exchange\"\nissuer = \"https://id.example\"\nclient_id = \"haechi\"\n\
         client_secret = \"file:secret\"\naudience = \"crm\"\nscopes = [\"a\", \"b\"]\ndpop = \"off\"",
    );
    let exchange = exchange.unwrap().unwrap();
    assert!(matches!(exchange.client.as_ref().unwrap().proof, ClientProof::Secret(_)));
    assert_eq!(exchange.scopes, ["a", "b"]);
    assert!(!format!("{exchange:?}").contains("s3cret"));
    let grant = settings(
        folder.path(),
        "kind = \"id_jag\"\nissuer = \"https://id.example\"\nclient_id = \"haechi\"\n\
         private_key = \"own\"\nsubject_token = \"file:t\"\nsubject_token_type = \"id_token\"\n\
         identity_provider = { issuer = \"https://idp.example\", client_id = \"haechi\" }",
    );
    let grant = grant.unwrap().unwrap();
    assert!(matches!(grant.client.unwrap().proof, ClientProof::OwnKey));
    assert!(matches!(grant.subject, SubjectToken::File(_, SubjectTokenKind::IdToken)));
    assert_eq!(grant.identity_provider.unwrap().issuer, "https://idp.example");
    assert!(settings(folder.path(), "kind = \"none\"").unwrap().is_none());
}

#[test]
fn each_mistake_has_its_key() {
    const CLIENT: &str = "issuer = \"https://id.example\"\nclient_id = \"haechi\"\n";
    let cases = [
        ("", "kind", "is needed"),
        ("kind = \"static\"", "kind", "needs `headers`"),
        ("kind = \"client_credentials\"", "client_id", "is needed"),
        ("kind = \"client_credentials\"\nclient_id = \"a\"", "issuer", "one issuer only"),
        ("kind = \"linked_account\"\nclient_id = \"a\"", "issuer", "one issuer only"),
        ("kind = \"linked_account\"\nissuer = \"http://id.example\"", "issuer", "https"),
        ("kind = \"linked_account\"\nresource = \"https://a.example/#x\"", "resource", "`#`"),
        ("kind = \"linked_account\"\nscopes = [\"a b\"]", "scopes", "without spaces"),
        ("kind = \"linked_account\"\naudience = \"a\"", "audience", "means nothing"),
        ("kind = \"linked_account\"\nsubject_token = \"file:x\"", "subject_token", "means nothing"),
        (&format!("{CLIENT}kind = \"jwt_bearer\""), "subject_token", "is needed"),
        (
            &format!("{CLIENT}kind = \"jwt_bearer\"\nsubject_token = \"eyJ\""),
            "subject_token",
            "must name a file",
        ),
        (&format!("{CLIENT}kind = \"id_jag\""), "identity_provider", "is needed"),
        (
            &format!("{CLIENT}kind = \"client_credentials\"\nclient_secret = \"s3cret\""),
            "client_secret",
            "must name a secret",
        ),
        (
            &format!(
                "{CLIENT}kind = \"client_credentials\"\nclient_secret = \"env:PATH\"\n\
                 private_key = \"own\""
            ),
            "private_key",
            "cannot stand beside",
        ),
    ];
    let unknown = Settings::parse(&text(URL, "kind = \"password\""), Path::new("/base"));
    assert!(unknown.unwrap_err().to_string().contains("unknown variant `password`"));
    for (authorization, key, what) in cases {
        let found = Settings::parse(&text(URL, authorization), Path::new("/base")).unwrap_err();
        let key = format!("upstream.crm.authorization.{key}");
        let fits = found.iter().any(|it| it.key == key && it.what.contains(what));
        assert!(fits && found.iter().count() == 1, "{authorization}\n{found}");
        assert!(!found.to_string().contains("s3cret"));
    }
}

#[test]
fn tokens_and_headers_do_not_stand_beside_each_other_and_programs_have_neither() {
    let headers = format!("{URL}\nheaders = {{ authorization = \"env:PATH\" }}");
    let parse = |upstream: &str, authorization: &str| {
        Settings::parse(&text(upstream, authorization), Path::new("/base"))
    };
    assert!(parse(&headers, "kind = \"static\"").is_ok());
    assert!(parse(URL, "kind = \"linked_account\"").is_ok());
    let both = parse(&headers, "kind = \"linked_account\"").unwrap_err();
    assert!(both.to_string().contains("`upstream.crm.authorization.kind`: must be `static`"));
    let program = parse("command = [\"crm\"]", "kind = \"linked_account\"").unwrap_err();
    assert!(program.to_string().contains("`upstream.crm.authorization`: is for a `url`"));
}
