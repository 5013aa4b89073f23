//! The audit log for monitors: checkpoint, tiles and entry bundles (C2SP tlog-tiles).

use std::net::IpAddr;

use haechi_assembly::settings::Publish;
use haechi_audit::tile::{Content, Tile};
use haechi_audit::view::View;
use haechi_core::json::quote;
use haechi_face::TransportError;
use http::header::{CACHE_CONTROL, HeaderValue};
use http::{Response, StatusCode};

use super::reply::{self, ReplyBody};
use super::visit::Visit;

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const BYTES: HeaderValue = HeaderValue::from_static("application/octet-stream");
/// A full tile never changes.
const FOR_GOOD: HeaderValue = HeaderValue::from_static("max-age=31536000, immutable");
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("no-cache");
/// What a monitor asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// The newest checkpoint.
    Checkpoint,
    /// A tile of hashes or an entry bundle.
    Tile(Tile),
}

impl Asked {
    /// What stands behind `/audit/`; `None` for anything else.
    pub(super) fn parse(path: &str) -> Option<Self> {
        match path {
            "checkpoint" => Some(Self::Checkpoint),
            _ => path.parse().map(Self::Tile).ok(),
        }
    }

    const fn needs(self) -> Publish {
        match self {
            Self::Tile(tile) if matches!(tile.content(), Content::Entries) => Publish::Entries,
            Self::Checkpoint | Self::Tile(_) => Publish::Hashes,
        }
    }
}

/// Monitors on this machine may always read the hashes: they say how much happens, not what.
fn may_read(peer: IpAddr, publish: Publish, asked: Asked) -> bool {
    let local = peer.to_canonical().is_loopback();
    let open = if local { publish.max(Publish::Hashes) } else { publish };
    open >= asked.needs()
}

/// Answers a monitor: 404 for what there is not, what no checkpoint covers, and what it may not
/// read.
pub(super) async fn serve(visit: &Visit<'_>, asked: Asked) -> Response<ReplyBody> {
    let Some(log) = &visit.gateway.log else { return visit.turn_away(&TransportError::NotFound) };
    if !may_read(visit.peer.ip(), log.publish, asked) {
        return visit.turn_away(&TransportError::NotFound);
    }
    let (found, content_type, kept) = match asked {
        Asked::Checkpoint => (log.read(View::published_checkpoint).await, TEXT, ASK_AGAIN),
        Asked::Tile(tile) => {
            let kept = if tile.is_full() { FOR_GOOD } else { ASK_AGAIN };
            (log.read(move |view| view.published(tile)).await, BYTES, kept)
        }
    };
    match found {
        Ok(Some(bytes)) => {
            let mut answer = haechi_face::reply::typed(StatusCode::OK, content_type, bytes);
            answer.headers_mut().insert(CACHE_CONTROL, kept);
            reply::whole(answer)
        }
        Ok(None) => visit.turn_away(&TransportError::NotFound),
        Err(what) => {
            let body = format!(r#"{{"status":"unavailable","what":{}}}"#, quote(what));
            reply::json(StatusCode::SERVICE_UNAVAILABLE, body)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn monitors_read_what_the_settings_say_and_those_on_this_machine_the_hashes() {
        let [checkpoint, hashes, entries] =
            ["checkpoint", "tile/0/000", "tile/entries/000"].map(|it| Asked::parse(it).unwrap());
        let [local, mapped, other] = ["127.0.0.1", "::ffff:127.0.0.1", "192.0.2.7"];
        for (peer, publish, expected) in [
            (local, Publish::Nothing, [true, true, false]),
            (mapped, Publish::Hashes, [true, true, false]),
            (local, Publish::Entries, [true, true, true]),
            (other, Publish::Nothing, [false, false, false]),
            (other, Publish::Hashes, [true, true, false]),
            (other, Publish::Entries, [true, true, true]),
        ] {
            let peer = peer.parse().unwrap();
            let may = [checkpoint, hashes, entries].map(|it| may_read(peer, publish, it));
            assert_eq!(may, expected, "{peer} {publish:?}");
        }
    }

    #[test]
    fn nothing_but_the_one_path_of_a_tile_is_read() {
        for path in [
            "",
            "Checkpoint",
            "checkpoint/",
            "tile",
            "tile/",
            "tile/0/0",
            "tile/0/000/",
            "tile//000",
            "tile/00/000",
            "tile/0/000.p/256",
            "tile/0/000.p/0",
            "tile/0/../0/000",
            "tile/0/%30%30%30",
            "tile/64/000",
            "tile/-1/000",
            "tile/data/000",
            "tile/entries/x001",
            "./tile/0/000",
        ] {
            assert_eq!(Asked::parse(path), None, "{path}");
        }
    }
}
