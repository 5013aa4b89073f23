//! The audit log as monitors read it.

use haechi_assembly::settings::Publish;
use haechi_audit::checkpoint::{Trust, VerifiedCheckpoint};
use haechi_audit::tile::Tile;

use super::hall::{Hall, Scene};
use super::raw_http::once;

#[tokio::test]
async fn a_monitor_reads_the_log_as_far_as_a_checkpoint_covers_it() {
    for publish in [Publish::Nothing, Publish::Entries] {
        let hall = Hall::in_scene(Scene { publish, ..Scene::default() }, |_| {}).await;
        let get =
            async |path: &str| once(hall.address, &format!("GET /audit/{path} HTTP/1.1"), "").await;
        hall.token("ann").await;
        let size = hall.audit.checkpoint_now().await.unwrap().checkpoint.size();
        let answer = get("checkpoint").await;
        assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-cache")));
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
        let (origin, log) = ("guard.example/log".to_owned(), hall.audit.verifier_keys());
        let trust = Trust { origin, log, witnesses: Vec::new(), wanted: 0 };
        let opened = VerifiedCheckpoint::open(answer.body.as_bytes(), &trust).unwrap();
        assert!(opened.checkpoint().size() >= size && size > 0);
        for tile in Tile::all(size) {
            let entries = tile.to_string().starts_with("tile/entries/");
            let expected = if entries && publish == Publish::Nothing { 404 } else { 200 };
            assert_eq!(get(&tile.to_string()).await.status, expected, "{tile}");
        }
        for nowhere in
            ["tile/0/000", "tile/1/000.p/1", "tile/entries/000", "tile/0/001.p/1", "tile/0/00", ""]
        {
            assert_eq!(get(nowhere).await.status, 404, "{nowhere}");
        }
        let post = once(hall.address, "POST /audit/checkpoint HTTP/1.1", "").await;
        assert_eq!((post.status, post.header("allow")), (405, Some("GET, HEAD")));
    }
}
