//! Every mistake is reported under its own key, and all of them at once.

use std::path::Path;
use std::time::Duration;

use haechi_assembly::Settings;
use haechi_assembly::settings::{Carrier, ClientCertificates};
use haechi_guard::{CallerMode, Rate, Recording};
use haechi_identity::{DpopRules, SenderConstraint};
use haechi_policy::{Matcher, RuleKind};

/// Key and text of every problem.
fn problems(text: &str) -> Vec<(String, String)> {
    let folder = tempfile::tempdir().unwrap();
    match Settings::parse(text, folder.path()) {
        Ok(_) => Vec::new(),
        Err(found) => {
            found.iter().map(|problem| (problem.key.clone(), problem.what.clone())).collect()
        }
    }
}

fn good(text: &str) -> Settings {
    Settings::parse(text, Path::new("/base")).unwrap_or_else(|error| panic!("{error}"))
}

/// Each text has one problem, under this key, that says this.
fn each_has_its_key(cases: &[(&str, &str, &str)]) {
    for (text, key, what) in cases {
        let found = problems(text);
        let fits = found.iter().any(|(at, why)| at == key && why.contains(what));
        assert!(fits && found.len() == 1, "{text}\n{found:?}");
    }
}

#[test]
fn each_mistake_has_its_key_and_says_what_is_wrong() {
    let cases = [
        ("x = 1", "x", "unknown field"),
        ("listen = 3", "listen", "invalid type"),
        ("[listen]\naddress = \"here\"", "listen.address", "127.0.0.1:8787"),
        ("[listen]\naddress = \"0.0.0.0:80\"", "listen.address", "listen.tls"),
        ("[listen]\nadress = \"x\"", "listen.adress", "expected one of"),
        ("[listen]\ntls = { key = \"k\" }", "listen.tls.certificate", "is needed"),
        ("[listen]\ntls = { certificate = \"c\", key = \"k\", x = 1 }", "listen.tls.x", "unknown"),
        (
            "[listen]\ntls = { certificate = \"c\", key = \"k\", client_authorities = \"a\", client_self_signed = true }",
            "listen.tls.client_authorities",
            "exclude each other",
        ),
        (
            "[[upstream]]\nname = \"a\"\ncommand = [\"x\"]\nsender_constraint = \"mtls\"",
            "upstream.a.sender_constraint",
            "listen.tls.client_authorities",
        ),
        (
            "[[upstream]]\nname = \"a\"\ncommand = [\"x\"]\nsender_constraint = \"key\"",
            "upstream.a.sender_constraint",
            "unknown variant",
        ),
        ("[dpop]\nmax_age = \"1h\"", "dpop.max_age", "5m"),
        ("[dpop]\nleeway = \"1h\"", "dpop.leeway", "5m"),
        ("[dpop]\nremembered = 0", "dpop.remembered", "from 1000"),
        ("[listen]\npublic_url = \"http://far.example\"", "listen.public_url", "https://"),
        ("[listen]\npublic_url = \"https://far.example/x\"", "listen.public_url", "without a path"),
        ("[listen]\nallowed_origins = [\"*\"]", "listen.allowed_origins[0]", "https://host"),
        ("[listen.limits]\nbody_size = \"1 TB\"", "listen.limits.body_size", "no size"),
        ("[listen.limits]\nheaders = 2", "listen.limits.headers", "from 16"),
        ("[[upstream]]\ncommand = [\"x\"]", "upstream[0].name", "is needed"),
        ("[[upstream]]\nname = \"A\"\ncommand = [\"x\"]", "upstream.A.name", "small letter"),
        ("[[upstream]]\nname = \"a\"", "upstream.a", "one of `command` and `url`"),
        ("[[upstream]]\nname = \"a\"\ncommand = []", "upstream.a.command", "must name a program"),
        ("[[upstream]]\nname = \"a\"\nurl = \"ftp://x\"", "upstream.a.url", "https://"),
        ("[[upstream]]\nname = \"a\"\nurl = \"http://far.example/mcp\"", "upstream.a.url", "https"),
        (
            "[[upstream]]\nname = \"a\"\nurl = \"https://u:p@far.example/mcp\"",
            "upstream.a.url",
            "credentials",
        ),
        (
            "[[upstream]]\nname = \"a\"\nurl = \"https://x.example\"\nper = \"person\"",
            "upstream.a.per",
            "for programs",
        ),
        (
            "[[upstream]]\nname = \"a\"\nurl = \"https://x.example\"\nheaders = { authorization = \"Bearer x\" }",
            "upstream.a.headers.authorization",
            "must name a secret",
        ),
        (
            "[[upstream]]\nname = \"a\"\ncommand = [\"x\"]\nper = \"all\"",
            "upstream.a.per",
            "unknown variant",
        ),
        (
            "[[upstream]]\nname = \"a\"\ncommand = [\"x\"]\nenv = { K = \"env:HAECHI_TEST_NOT_SET\" }",
            "upstream.a.env.K",
            "HAECHI_TEST_NOT_SET",
        ),
        (
            "[[upstream]]\nname = \"a\"\ncommand = [\"x\"]\ntools.\"b*\".timeout = \"soon\"",
            "upstream.a.tools.b*.timeout",
            "no duration",
        ),
        (
            "[[upstream]]\nname = \"a\"\ncommand = [\"x\"]\n[[upstream]]\nname = \"a\"\ncommand = [\"y\"]",
            "upstream.a",
            "twice",
        ),
        ("[roles.r]\nallow = [1]", "roles.r.allow[0]", "a text or a table"),
    ];
    each_has_its_key(&cases);
}

#[test]
fn each_further_mistake_has_its_key_too() {
    let cases = [
        ("[roles.r]\nallow = [{ tool = \"a:b\", x = 1 }]", "roles.r.allow[0].x", "unknown field"),
        ("[roles.r]\nallow = [{ scopes = [] }]", "roles.r.allow[0]", "must name one of"),
        (
            "[roles.r]\ndeny = [{ tool = \"a:b\", prompt = \"a:c\" }]",
            "roles.r.deny[0]",
            "must name one of",
        ),
        (
            "[roles.r]\nallow = [{ tool = \"a:b\", arguments = { p = { near = 1 } } }]",
            "roles.r.allow[0].arguments.p",
            "`glob`, `prefix`",
        ),
        (
            "[roles.r]\nsensitive = [{ tool = \"a:b\", max_age = \"never\" }]",
            "roles.r.sensitive[0].max_age",
            "no duration",
        ),
        ("[policy]\nfiles = [\"none/*.cedar\"]", "policy.files[0]", "none"),
        ("[policy]\nfiles = [\"a*/b.cedar\"]", "policy.files[0]", "last part"),
        ("[token]\nalgorithm = \"RS256\"", "token.algorithm", "ES256"),
        ("[token]\nlifetime = \"0s\"", "token.lifetime", "from 1s"),
        ("[token]\nleeway = \"10m\"", "token.leeway", "to 5m"),
        ("[[issuer]]\nissuer = \"i\"", "issuer.i.jwks", "is needed"),
        ("[[issuer]]\nissuer = \"i\"\njwks = \"http://far.example\"", "issuer.i.jwks", "https://"),
        (
            "[[issuer]]\nissuer = \"i\"\njwks = \"file:k\"\nalgorithms = [\"HS256\"]",
            "issuer.i.algorithms",
            "HS256",
        ),
        (
            "[[issuer]]\nissuer = \"i\"\njwks = \"file:k\"\nclaims = { roles = \"a..b\" }",
            "issuer.i.claims.roles",
            "names of claims",
        ),
        ("[password]\nmin_length = 4", "password.min_length", "from 8"),
        ("[password]\nmemory = \"1 MiB\"", "password.memory", "from 8 MiB"),
        ("[lockout]\nmax_delay = \"9d\"", "lockout.max_delay", "to 1d"),
        ("[api_key]\nmax_lifetime = 90", "api_key.max_lifetime", "invalid type"),
        ("[limits]\nconcurrency = 0", "limits.concurrency", "from 1"),
        ("[limits]\nsession_idle = \"0s\"", "limits.session_idle", "from 1s"),
        ("[audit]\ndurability = \"none\"", "audit.durability", "unknown variant"),
        ("[audit]\nsegment_size = \"1 KiB\"", "audit.segment_size", "from 256 KiB"),
        ("[audit]\nnode = \"a b\"", "audit.node", "A-Za-z0-9"),
        ("[log]\nlevel = \"loud\"", "log.level", "unknown variant"),
        ("[telemetry]\nendpoint = \"http://far.example\"", "telemetry.endpoint", "https://"),
        ("[metrics]\nopen = true", "metrics.open", "unknown field"),
        ("[outbound]\nconnect_timeout = \"1h\"", "outbound.connect_timeout", "to 5m"),
    ];
    each_has_its_key(&cases);
}

#[test]
fn all_mistakes_come_at_once() {
    let text = r#"
        colour = "red"
        [listen]
        address = "nowhere"
        limits = { headers = 1, x = 2 }
        [[upstream]]
        name = "files"
        timeout = "later"
        kommand = ["x"]
        [[upstream]]
        name = "Crm"
        url = "https://crm.example/mcp"
        [roles.user]
        allow = ["files:*", { tool = "files:a", arguments = { p = { x = 1 } } }, 7]
        [token]
        algorithm = "none"
    "#;
    let mut keys: Vec<String> = problems(text).into_iter().map(|(key, _)| key).collect();
    keys.sort();
    let expected = [
        "colour",
        "listen.address",
        "listen.limits.headers",
        "listen.limits.x",
        "roles.user.allow[1].arguments.p",
        "roles.user.allow[2]",
        "token.algorithm",
        "upstream.Crm.name",
        "upstream.files",
        "upstream.files.kommand",
        "upstream.files.timeout",
    ];
    assert_eq!(keys, expected);
}

#[test]
fn a_text_that_is_no_toml_names_its_line() {
    let found = problems("[listen]\naddress = \n");
    assert!(
        matches!(&*found, [(key, what)] if key.is_empty() && what.contains("line 2")),
        "{found:?}"
    );
    let twice = problems("[listen]\n[listen]\n");
    assert!(matches!(&*twice, [(_, what)] if what.contains("duplicate")), "{twice:?}");
}

#[test]
fn nothing_open_is_the_default() {
    let settings = good("");
    assert!(settings.listen.address.ip().is_loopback());
    assert!(!settings.listen.anonymous && settings.listen.tls.is_none());
    assert!(settings.roles.is_empty() && !settings.owner && !settings.policy.tell_denied);
    assert!(settings.identity().anonymous.is_none());
    assert!(!settings.metrics.open);
}

#[test]
fn what_is_dangerous_has_to_be_said() {
    let plain = "[listen]\naddress = \"0.0.0.0:80\"\ndangerous_allow_plain_http = true";
    assert_eq!(good(plain).listen.address.port(), 80);
    let anonymous = good("[listen]\ndangerous_allow_anonymous = true").identity().anonymous;
    assert_eq!(anonymous.unwrap().roles.into_iter().collect::<Vec<_>>(), ["anonymous"]);
    let tls =
        "[listen]\naddress = \"0.0.0.0:443\"\ntls = { certificate = \"c.pem\", key = \"k.pem\" }";
    let files = good(tls).listen.tls.unwrap();
    assert_eq!(files.certificate, Path::new("/base/c.pem"));
}

#[test]
fn tokens_may_have_to_be_bound_to_their_senders() {
    let settings = good(
        r#"
        [listen]
        tls = { certificate = "c.pem", key = "k.pem", client_authorities = "clients.pem" }

        [[upstream]]
        name = "files"
        command = ["x"]
        sender_constraint = "both"

        [[upstream]]
        name = "crm"
        command = ["x"]

        [[issuer]]
        issuer = "https://issuer.example"
        jwks = "file:keys.json"
        sender_constraint = "dpop"

        [dpop]
        max_age = "10s"
        nonce = true
        "#,
    );
    let clients = settings.listen.tls.as_ref().unwrap().clients.clone();
    assert_eq!(clients, Some(ClientCertificates::SignedBy("/base/clients.pem".into())));
    let demanded: Vec<_> = settings.upstreams.iter().map(|it| it.sender).collect();
    assert_eq!(demanded, [SenderConstraint::Both, SenderConstraint::Optional]);
    let identity = settings.identity();
    assert_eq!(identity.issuers[0].sender, SenderConstraint::Dpop);
    let rules = DpopRules { max_age: Duration::from_secs(10), nonce: true, ..DpopRules::default() };
    assert_eq!(identity.dpop, rules);
}

#[test]
fn rules_are_read_as_they_are_written() {
    let text = r#"
        [roles.user]
        allow = [
            "*",
            "files:read_*",
            { prompt = "crm:*" },
            { tool = "crm:search", scopes = ["crm"], arguments = { a = "x/**", b = { prefix = "p" }, c = { min = 1, max = 2.5 }, d = [1, "two", true], e = 5, f = { equals = "g" } } },
        ]
        sensitive = ["crm:delete_*", { resource = "crm:x", max_age = "90s" }]
    "#;
    let settings = good(text);
    let role = &settings.roles[0];
    let kinds: Vec<RuleKind> = role.allow.iter().map(|rule| rule.kind).collect();
    let everything = [RuleKind::Tools, RuleKind::Resources, RuleKind::Prompts, RuleKind::Other];
    assert_eq!(kinds[..4], everything);
    assert_eq!(kinds[4..], [RuleKind::Tools, RuleKind::Prompts, RuleKind::Tools]);
    let arguments = &role.allow[6].arguments;
    assert_eq!(arguments["a"], Matcher::Glob("x/**".to_owned()));
    assert_eq!(arguments["b"], Matcher::Prefix("p".to_owned()));
    let Matcher::Range { min, max } = &arguments["c"] else { panic!("{arguments:?}") };
    assert_eq!(
        (min.as_ref().unwrap().as_i64(), max.as_ref().unwrap().as_f64()),
        (Some(1), Some(2.5))
    );
    assert!(matches!(&arguments["d"], Matcher::OneOf(values) if values.len() == 3));
    assert_eq!(arguments["e"], Matcher::Equals(5.into()));
    assert_eq!(arguments["f"], Matcher::Equals("g".into()));
    assert_eq!(role.allow[6].scopes, ["crm"]);
    let ages: Vec<_> = role.sensitive.iter().map(|rule| rule.max_age).collect();
    assert_eq!(ages, [None, Some(Duration::from_secs(90))]);
}

#[test]
fn limits_come_from_the_nearest_place() {
    let text = r#"
        [limits]
        timeout = "9s"
        calls_per_minute = 5
        [[upstream]]
        name = "a"
        command = ["x"]
        caller = "signed"
        concurrency = 3
        [upstream.tools]
        "*" = { timeout = "7s" }
        "big_*" = { timeout = "8s" }
        "big_one" = { concurrency = 1 }
    "#;
    let settings = good(text);
    let rules = &settings.upstreams[0].rules;
    assert_eq!(rules.caller, CallerMode::Signed);
    let of = |tool| rules.limits.of(tool).1.clone();
    assert_eq!((of("x").timeout, of("x").concurrency), (Duration::from_secs(7), 3));
    assert_eq!(of("big_two").timeout, Duration::from_secs(8));
    assert_eq!((of("big_one").timeout, of("big_one").concurrency), (Duration::from_secs(9), 1));
    assert_eq!(of("x").rate, Some(Rate::per_minute(5)));
}

#[test]
fn a_rate_is_calls_within_a_time_and_said_once() {
    let per = |calls, secs| Some(Rate { calls, per: Duration::from_secs(secs) });
    let cases = [
        ("10/s", per(10, 1)),
        ("600/min", per(600, 60)),
        ("600/m", per(600, 60)),
        ("100/h", per(100, 3600)),
        ("5/30s", per(5, 30)),
        (" 1/1h30m ", per(1, 5400)),
    ];
    for (text, expected) in cases {
        let settings = good(&format!("[limits]\nrate = \"{text}\""));
        assert_eq!(settings.limits.calls.rate, expected, "{text}");
    }
    for bad in ["", "/", "10", "10/", "/s", "x/s", "-1/s", "10/x", "1.5/s", "10/s/s", "1 /s"] {
        let text = format!("[limits]\nrate = \"{bad}\"");
        each_has_its_key(&[(&text, "limits.rate", "no rate")]);
    }
    each_has_its_key(&[
        ("[limits]\nrate = \"0/s\"", "limits.rate", "from 1"),
        ("[limits]\nrate = \"1/8d\"", "limits.rate", "to 7d"),
        ("[limits]\nrate = \"1/s\"\ncalls_per_minute = 1", "limits.rate", "one of them"),
    ]);
    let nearest = good(
        "[limits]\nrate = \"1/s\"\n[[upstream]]\nname = \"a\"\ncommand = [\"x\"]\n\
         tools.b.calls_per_minute = 2\ntools.c.rate = \"3/h\"",
    );
    let limits = &nearest.upstreams[0].rules.limits;
    let of = |tool| limits.of(tool).1.rate;
    assert_eq!((of("a"), of("b"), of("c")), (per(1, 1), per(2, 60), per(3, 3600)));
}

#[test]
fn what_the_log_is_told_comes_from_the_nearest_place() {
    let text = r#"
        [[upstream]]
        name = "a"
        command = ["x"]
        audit = "none"
        [upstream.tools]
        "get_*" = { audit = "names" }
        "get_time" = { audit = "dangerously-off" }
        "get_one" = { timeout = "1s" }
    "#;
    let rules = good(text).upstreams.remove(0).rules.recording;
    let of = |tool| rules.of(Some(tool));
    assert_eq!((of("set"), rules.of(None)), (Recording::NoNames, Recording::NoNames));
    assert_eq!((of("get_two"), of("get_time")), (Recording::Names, Recording::Off));
    assert_eq!(of("get_one"), Recording::NoNames, "the most precise place says nothing of it");
    let standard = good("[[upstream]]\nname = \"a\"\ncommand = [\"x\"]");
    assert_eq!(standard.upstreams[0].rules.recording.of(Some("x")), Recording::Names);
    let off = "[[upstream]]\nname = \"a\"\ncommand = [\"x\"]\naudit = \"off\"";
    each_has_its_key(&[(off, "upstream.a.audit", "dangerously-off")]);
}

#[test]
fn secrets_are_read_where_they_are_named_and_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("token"), "Bearer hunter2\n").unwrap();
    let text = r#"
        [[upstream]]
        name = "crm"
        url = "https://crm.example/mcp"
        headers = { Authorization = "file:token" }
        [[upstream]]
        name = "files"
        command = ["x"]
        env = { SECRET = "file:token", PLAIN = "hunter2 in clear" }
    "#;
    let settings = Settings::parse(text, folder.path()).unwrap();
    let Carrier::Http(http) = &settings.upstreams[0].carrier else { panic!("no url") };
    assert_eq!(http.credentials[0].0, "authorization");
    assert_eq!(http.credentials[0].1.expose(), b"Bearer hunter2");
    let Carrier::Program(program) = &settings.upstreams[1].carrier else { panic!("no program") };
    assert!(program.environment.contains(&("SECRET".to_owned(), "Bearer hunter2".to_owned())));
    assert!(!format!("{settings:?}").contains("hunter2"));
}

#[test]
fn what_is_read_once_is_told_when_it_changes() {
    let before = good("[listen]\naddress = \"127.0.0.1:1\"\n[roles.a]\nallow = [\"*\"]");
    let after = good("[listen]\naddress = \"127.0.0.1:2\"\n[policy]\ntell_denied = true");
    assert_eq!(before.needs_restart_for(&after), ["listen", "policy.tell_denied"]);
    assert!(after.needs_restart_for(&after.clone()).is_empty());
    let slower = good("[outbound]\nconnect_timeout = \"9s\"");
    assert_eq!(good("").needs_restart_for(&slower), ["outbound"]);
}

#[test]
fn the_command_after_the_dashes_is_guarded_by_the_rules_of_its_name() {
    let text = r#"
        [[upstream]]
        name = "files"
        command = ["old"]
        timeout = "3s"
        [[upstream]]
        name = "crm"
        url = "https://crm.example/mcp"
        [roles.owner]
        allow = ["files:read", "crm:x"]
    "#;
    let name = |name| haechi_core::UpstreamName::parse(name).unwrap();
    let command = |settings: &Settings| match &settings.upstreams[0].carrier {
        Carrier::Program(program) => program.command.clone(),
        Carrier::Http(_) | Carrier::Embedded => panic!("no program"),
    };
    let narrowed = good(text).narrowed(name("files"), vec!["new".to_owned()]).unwrap();
    assert_eq!(command(&narrowed), ["new"]);
    assert_eq!(narrowed.upstreams[0].rules.limits.default.timeout, Duration::from_secs(3));
    assert_eq!(narrowed.other_upstreams, ["crm"]);
    let named = good(text).narrowed(name("files"), Vec::new()).unwrap();
    assert_eq!(command(&named), ["old"]);
    let strange = good(text).narrowed(name("new"), vec!["new".to_owned()]).unwrap();
    assert_eq!(strange.other_upstreams, ["files", "crm"]);
    assert!(good(text).narrowed(name("crm"), Vec::new()).is_none());
    assert!(good(text).narrowed(name("new"), Vec::new()).is_none());
}

#[test]
fn what_an_issuer_is_asked_with_has_its_keys_and_belongs_to_its_way() {
    let jwt = "jwks = \"file:k\"";
    let asked = "tokens = \"introspection\"\nclient_id = \"c\"";
    let secret = "client_secret = \"env:PATH\"";
    let person = "tokens = \"userinfo\"\ndangerous_accept_any_audience = true";
    let signed = "client_authentication = \"private_key_jwt\"";
    for good_one in [
        format!("{asked}\n{secret}"),
        format!("{asked}\n{secret}\nclient_authentication = \"client_secret_post\""),
        format!("{asked}\n{signed}\nendpoint = \"http://127.0.0.1:9/i\"\naudiences = [\"a\"]"),
        person.to_owned(),
    ] {
        assert_eq!(
            good(&format!("[[issuer]]\nissuer = \"https://i\"\n{good_one}")).issuers.len(),
            1
        );
    }
    let cases = [
        (format!("{jwt}\ntokens = \"opaque\""), "tokens", "unknown variant"),
        (format!("{asked}\n{secret}\n{jwt}"), "jwks", "is for `tokens = \"jwt\"`"),
        (format!("tokens = \"introspection\"\n{secret}"), "client_id", "is needed"),
        (asked.to_owned(), "client_secret", "is needed"),
        (format!("{asked}\nclient_secret = \"s3cret\""), "client_secret", "must name a secret"),
        (format!("{asked}\n{signed}\n{secret}"), "client_secret", "private_key_jwt"),
        (format!("{asked}\n{secret}\nendpoint = \"http://far.example\""), "endpoint", "https://"),
        (format!("{jwt}\nendpoint = \"https://i\""), "endpoint", "userinfo"),
        (format!("{jwt}\nclient_id = \"c\""), "client_id", "introspection"),
        (format!("{person}\n{secret}"), "client_secret", "introspection"),
        (format!("{person}\n{signed}"), "client_authentication", "introspection"),
        (format!("{person}\naudiences = [\"a\"]"), "audiences", "cannot be checked"),
        ("tokens = \"userinfo\"".to_owned(), "dangerous_accept_any_audience", "must be `true`"),
        (
            format!("{jwt}\ndangerous_accept_any_audience = true"),
            "dangerous_accept_any_audience",
            "userinfo",
        ),
    ];
    for (text, key, what) in cases {
        let text = format!("[[issuer]]\nissuer = \"https://i\"\n{text}");
        each_has_its_key(&[(&text, &format!("issuer.https://i.{key}"), what)]);
        assert!(!format!("{:?}", problems(&text)).contains("s3cret"));
    }
    let nameless = format!("[[issuer]]\nissuer = \"i\"\n{asked}\n{secret}");
    each_has_its_key(&[(&nameless, "issuer.i.endpoint", "is needed")]);
    let many: String =
        (0..5).map(|n| format!("[[issuer]]\nissuer = \"https://i{n}\"\n{person}\n")).collect();
    each_has_its_key(&[(&many, "issuer", "at most four")]);
}

#[test]
fn scopes_hold_others_and_have_words_for_people() {
    let settings = good(
        r#"
        [scopes."files:write"]
        holds = ["files:read"]
        english = "Read and change your files"
        korean = "파일 읽기와 변경"
        "#,
    );
    let held = settings.identity().scopes.expand(["files:write".to_owned()].into());
    assert!(held.contains("files:read"));
    assert_eq!(settings.scopes[0].korean.as_deref(), Some("파일 읽기와 변경"));
    each_has_its_key(&[
        ("[scopes.\"files read\"]\n", "scopes.files read", "is no scope"),
        ("[scopes.a]\nenglish = \"\"\n", "scopes.a.english", "200 printable"),
    ]);
}

#[test]
fn exports_say_where_to_and_in_which_form() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("token"), "s3cret").unwrap();
    let text = r#"
        [[audit.export]]
        name = "file"
        to = "file:audit.jsonl"
        rotate = "1 MiB"
        keep = 3
        [[audit.export]]
        name = "siem"
        to = "syslog+tls://logs.example.com"
        format = "cef"
        events = ["intent", "sign-in"]
        certificate = "me.pem"
        certificate_key = "me.key"
        [[audit.export]]
        name = "collector"
        to = "https://logs.example.com/v1/logs?key=hidden"
        format = "otlp"
        bearer = "file:token"
        [[audit.export]]
        name = "lab"
        to = "syslog+udp://[::1]:5514"
        dangerous_plain = true
    "#;
    let settings = Settings::parse(text, folder.path()).unwrap();
    let shown: Vec<String> = settings.exports.iter().map(|one| one.to.to_string()).collect();
    assert_eq!(shown[0], format!("file:{}", folder.path().join("audit.jsonl").display()));
    assert_eq!(shown[1], "syslog+tls://logs.example.com:6514");
    assert_eq!(shown[2], "https://logs.example.com/v1/logs");
    assert_eq!(shown[3], "syslog+udp://::1:5514");
    let formats: Vec<&str> = settings.exports.iter().map(|one| one.format.as_str()).collect();
    assert_eq!(formats, ["json", "cef", "otlp", "syslog"]);
    assert_eq!(settings.exports[1].kinds.len(), 2);
    assert!(!format!("{settings:?}").contains("s3cret"));
}

#[test]
fn an_export_that_cannot_be_is_named() {
    let cases = [
        ("to = \"file:a\"", "name", "a-z0-9_-"),
        ("name = \"A\"\nto = \"file:a\"", "name", "a-z0-9_-"),
        ("name = \"../a\"\nto = \"file:a\"", "name", "a-z0-9_-"),
        ("name = \"a\"", "to", "where to"),
        ("name = \"a\"\nto = \"file:\"", "to", "path"),
        ("name = \"a\"\nto = \"gopher://x\"", "to", "https://"),
        ("name = \"a\"\nto = \"syslog+tls:\"", "to", "host"),
        ("name = \"a\"\nto = \"syslog+tls://h/p\"", "to", "nothing else"),
        ("name = \"a\"\nto = \"syslog+tcp://h\"", "to", "dangerous_plain"),
        ("name = \"a\"\nto = \"syslog+udp://h\"", "to", "dangerous_plain"),
        ("name = \"a\"\nto = \"http://h.example\"", "to", "dangerous_plain"),
        ("name = \"a\"\nto = \"https://u:p@h.example\"", "to", "credentials"),
        ("name = \"a\"\nto = \"file:a\"\nformat = \"xml\"", "format", "`ocsf`"),
        ("name = \"a\"\nto = \"syslog+tls://h\"\nformat = \"otlp\"", "format", "POST"),
        ("name = \"a\"\nto = \"https://h\"\nformat = \"syslog\"", "format", "syslog+tls"),
        ("name = \"a\"\nto = \"file:a\"\nevents = [\"call\"]", "events", "`intent`"),
        ("name = \"a\"\nto = \"https://h\"\nbearer = \"s3cret\"", "bearer", "env:NAME"),
        ("name = \"a\"\nto = \"file:a\"\nbearer = \"env:X\"", "bearer", "POST"),
        ("name = \"a\"\nto = \"https://h\"\nkeep = 2", "keep", "files"),
        ("name = \"a\"\nto = \"https://h\"\ncertificate = \"c\"", "certificate", "syslog+tls"),
        ("name = \"a\"\nto = \"syslog+tls://h\"\ncertificate = \"c\"", "to", "together"),
        ("name = \"a\"\nto = \"file:a\"\nrotate = \"1 KiB\"", "rotate", "64 KiB"),
        ("name = \"a\"\nto = \"file:a\"\ndangerous_plain = true", "dangerous_plain", "leaves"),
    ];
    for (text, key, what) in cases {
        let found = problems(&format!("[[audit.export]]\n{text}"));
        let named = |(at, said): &(String, String)| at.ends_with(key) && said.contains(what);
        assert!(found.iter().any(named), "{text}: {found:?}");
        assert!(!format!("{found:?}").contains("s3cret"), "{text}");
    }
    let twice = "[[audit.export]]\nname = \"a\"\nto = \"file:a\"\n".repeat(2);
    assert!(problems(&twice).iter().any(|(_, what)| what.contains("twice")));
    let one_file = twice.replacen("\"a\"", "\"b\"", 1);
    let found = problems(&one_file);
    assert!(found.iter().any(|(at, what)| at.ends_with("to") && what.contains("another export")));
}
