//! Tiles: one path for each, and no hash out of them that the root does not cover.

use std::collections::BTreeMap;

use haechi_audit::tile::{
    BundleError, Content, PathError, Tile, TileError, TileReader, bundle, entries,
};
use haechi_audit::tree::{ConsistencyProof, InclusionProof, Node, Nodes, ProveError, root};
use proptest::prelude::*;

use crate::trees::{Leaves, Missing, Shelf, entry};

fn hashes(level: u8, index: u64, width: u16) -> Tile {
    Tile::new(Content::Hashes { level }, index, width).unwrap()
}

#[test]
fn tiles_have_the_paths_of_the_standard() {
    let entries = |index, width| Tile::new(Content::Entries, index, width).unwrap();
    let cases = [
        (hashes(0, 0, 256), "tile/0/000"),
        (hashes(0, 273, 112), "tile/0/273.p/112"),
        (hashes(1, 1000, 256), "tile/1/x001/000"),
        (hashes(63, 1_234_067, 1), "tile/63/x001/x234/067.p/1"),
        (entries(1_234_067, 256), "tile/entries/x001/x234/067"),
        (entries(u64::MAX, 255), "tile/entries/x018/x446/x744/x073/x709/x551/615.p/255"),
    ];
    for (tile, path) in cases {
        assert_eq!(tile.to_string(), path);
        assert_eq!(path.parse(), Ok(tile), "{path}");
    }
}

#[test]
fn nothing_else_is_a_path() {
    let paths = [
        "",
        "tile",
        "tile/",
        "tile/0",
        "tile/0/",
        "/tile/0/000",
        "tile/0/000/",
        "tile/00/000",
        "tile/64/000",
        "tile/256/000",
        "tile/-1/000",
        "tile/+1/000",
        "tile/x/000",
        "tile/0/0",
        "tile/0/00",
        "tile/0/0000",
        "tile/0/1000",
        "tile/0/001/000",
        "tile/0/x001",
        "tile/0/x000/001",
        "tile/0/x001/x000",
        "tile/0/000.p/0",
        "tile/0/000.p/00",
        "tile/0/000.p/01",
        "tile/0/000.p/256",
        "tile/0/000.p/257",
        "tile/0/000.p/",
        "tile/0/000.p/1/",
        "tile/0/000.p",
        "tile/0/x018/x446/x744/x073/x709/x551/616",
        "tile/0/x+01/000",
        "tile/8/0/000",
        "tile/data/000",
        "tile/Entries/000",
        "tile/0/../000",
        "tile/0/٠٠٠",
    ];
    for path in paths {
        assert_eq!(path.parse::<Tile>(), Err(PathError), "{path:?}");
    }
    for (level, width) in [(0, 0), (0, 257), (64, 1)] {
        assert_eq!(Tile::new(Content::Hashes { level }, 0, width), Err(PathError));
    }
}

#[test]
fn a_log_of_70_000_entries_has_the_tiles_of_the_standards_example() {
    let all: Vec<Tile> = Tile::all(70_000).collect();
    let count = |content, full| {
        all.iter().filter(|tile| tile.content() == content && tile.is_full() == full).count()
    };
    let [zero, one, two] = [0, 1, 2].map(|level| Content::Hashes { level });
    assert_eq!([(zero, true), (zero, false)].map(|(c, f)| count(c, f)), [273, 1]);
    assert_eq!([(one, true), (one, false)].map(|(c, f)| count(c, f)), [1, 1]);
    assert_eq!([(two, true), (two, false)].map(|(c, f)| count(c, f)), [0, 1]);
    assert_eq!([true, false].map(|full| count(Content::Entries, full)), [273, 1]);
    assert_eq!(all.len(), 273 + 1 + 1 + 1 + 1 + 273 + 1);
    let head: Vec<Tile> = Tile::for_head(70_000).collect();
    assert_eq!(head, [hashes(0, 273, 112), hashes(1, 1, 17), hashes(2, 0, 1)]);
    let head: Vec<Tile> = Tile::for_head(256).collect();
    assert_eq!(head, [hashes(1, 0, 1)]);
    assert_eq!(Tile::for_head(0).count() + Tile::all(0).count(), 0);
    assert_eq!(Tile::for_head(u64::MAX).count(), 8);
}

#[test]
fn tiles_hold_the_tree_at_sizes_around_the_powers_of_256() {
    let sizes = [1, 2, 255, 256, 257, 511, 512, 513, 65_535, 65_536, 65_537, 65_793];
    let leaves = Leaves::new(65_793);
    let roots: BTreeMap<u64, _> = sizes.map(|size| (size, leaves.root(size))).into();
    let (mut shelf, mut builder) = (Shelf::default(), haechi_audit::tile::TileBuilder::new());
    for size in sizes {
        let known = usize::try_from(builder.tree().size()).unwrap();
        let grown = leaves.0[known..usize::try_from(size).unwrap()].iter().copied();
        shelf.grow(&mut builder, grown);
        let expected = roots[&size];
        assert_eq!(builder.tree().root(), expected);
        let all: Vec<Tile> = Tile::all(size).collect();
        for tile in all.iter().filter(|tile| tile.content() != Content::Entries) {
            assert!(shelf.0.contains_key(tile), "{tile} at {size}");
        }
        let mut reader = TileReader::open(size, expected, &shelf).unwrap();
        for older in sizes.into_iter().filter(|older| *older <= size) {
            let old_root = root(older, &mut reader).unwrap();
            assert_eq!(old_root, roots[&older]);
            let proof = ConsistencyProof::make(older, size, &mut reader).unwrap();
            assert_eq!(proof.verify(old_root, expected), Ok(()), "{older} to {size}");
            let proof = InclusionProof::make(older - 1, size, &mut reader).unwrap();
            let leaf = leaves.0[usize::try_from(older - 1).unwrap()];
            assert_eq!(proof.verify(leaf, expected), Ok(()), "{} of {size}", older - 1);
        }
        // A restart: the tiles say as much as the builder knew.
        builder = reader.builder().unwrap();
    }
}

#[test]
fn any_changed_tile_is_noticed_by_whoever_reads_below_it() {
    let size = 66_000;
    let (shelf, builder) = Shelf::build(Leaves::new(size).0);
    let expected = builder.tree().root();
    let whole_walk = |shelf: &Shelf| {
        let mut reader = TileReader::open(size, expected, shelf)?;
        (0..size).step_by(200).try_for_each(|index| {
            let leaf = reader.node(Node { level: 0, index })?;
            let proof = match InclusionProof::make(index, size, &mut reader) {
                Err(ProveError::Nodes(error)) => return Err(error),
                proof => proof.unwrap(),
            };
            assert_eq!(proof.verify(leaf, expected), Ok(()));
            Ok::<_, TileError<Missing>>(())
        })
    };
    assert_eq!(whole_walk(&shelf), Ok(()));
    let head: Vec<Tile> = Tile::for_head(size).collect();
    for tile in
        [hashes(0, 0, 256), hashes(0, 256, 256), hashes(1, 0, 256), head[0], head[1], head[2]]
    {
        let mut changed = shelf.clone();
        changed.0.get_mut(&tile).unwrap()[31] ^= 1;
        let error = if head.contains(&tile) {
            TileError::Root { size }
        } else {
            TileError::Changed { tile }
        };
        assert_eq!(whole_walk(&changed), Err(error), "{tile}");
        let mut cut = shelf.clone();
        cut.0.get_mut(&tile).unwrap().pop();
        let bytes = cut.0[&tile].len();
        assert_eq!(whole_walk(&cut), Err(TileError::Length { tile, bytes }));
        let mut missing = shelf.clone();
        missing.0.remove(&tile);
        let error = TileError::Source { tile, source: Missing };
        assert_eq!(whole_walk(&missing), Err(error));
    }
}

#[test]
fn a_bundle_gives_only_the_entries_that_the_root_covers() {
    let size = 300;
    let (shelf, builder) = Shelf::build(Leaves::new(size).0);
    let mut reader = TileReader::open(size, builder.tree().root(), &shelf).unwrap();
    let log: Vec<Vec<u8>> = (0..size).map(entry).collect();
    for (index, range) in [(0, 0..256), (1, 256..300)] {
        let tile = Tile::at(Content::Entries, index, size).unwrap();
        let entries: Vec<&[u8]> = log[range.clone()].iter().map(Vec::as_slice).collect();
        let bytes = bundle(entries.iter().copied()).unwrap();
        assert_eq!(reader.entries(tile, &bytes), Ok(entries.clone()));
        let mut swapped = entries.clone();
        swapped.swap(3, 4);
        let bytes = bundle(swapped).unwrap();
        let first = u64::try_from(range.start).unwrap() + 3;
        assert_eq!(reader.entries(tile, &bytes), Err(TileError::Entry { index: first }));
        let mut fewer = entries;
        fewer.remove(7);
        let bytes = bundle(fewer).unwrap();
        assert!(matches!(reader.entries(tile, &bytes), Err(TileError::Bundle { .. })));
    }
    let beyond = Tile::new(Content::Entries, 1, 45).unwrap();
    let bytes = bundle((256..301).map(entry).collect::<Vec<_>>().iter().map(Vec::as_slice));
    assert!(reader.entries(beyond, &bytes.unwrap()).is_err());
}

#[test]
fn a_bundle_of_another_form_is_refused() {
    let cases: [(&[u8], u16, BundleError); 6] = [
        (&[], 1, BundleError::Count { found: 0, wanted: 1 }),
        (&[0], 1, BundleError::Cut(0)),
        (&[0, 2, 7], 1, BundleError::Cut(0)),
        (&[0, 1, 7, 0], 1, BundleError::Cut(1)),
        (&[0, 0, 0, 0], 1, BundleError::Count { found: 2, wanted: 1 }),
        (&[0, 1, 7], 2, BundleError::Count { found: 1, wanted: 2 }),
    ];
    for (bytes, width, error) in cases {
        assert_eq!(entries(bytes, width), Err(error), "{bytes:?}");
    }
    let long = vec![0; 65_536];
    assert_eq!(bundle([&[][..], &long]), Err(BundleError::TooLong(1)));
    assert_eq!(bundle([&long[1..]]).unwrap().len(), 2 + 65_535);
}

proptest! {
    #[test]
    fn every_tile_reads_as_it_was_written(
        level in 0_u8..64, entries: bool, index: u64, small in 0_u64..2000, width in 1_u16..=256,
    ) {
        let content = if entries { Content::Entries } else { Content::Hashes { level } };
        for index in [index, small] {
            let tile = Tile::new(content, index, width).unwrap();
            prop_assert_eq!(tile.to_string().parse(), Ok(tile));
        }
    }

    #[test]
    fn what_reads_as_a_path_is_the_path(path in "tile/([0-9]{1,3}|entries)/(x?[0-9]{1,4}/){0,3}[0-9]{2,4}(\\.p/[0-9]{0,3})?") {
        if let Ok(tile) = path.parse::<Tile>() {
            prop_assert_eq!(tile.to_string(), path);
        }
    }

    #[test]
    fn no_text_makes_the_reader_of_paths_panic(path in ".*", rest in "[x0-9/.p]{0,40}") {
        prop_assert!(path.parse::<Tile>().is_err());
        let _ = format!("tile/{rest}").parse::<Tile>();
    }

    #[test]
    fn bundles_read_as_they_were_written(
        all in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..600), 1..257),
    ) {
        let all: Vec<&[u8]> = all.iter().map(Vec::as_slice).collect();
        let bytes = bundle(all.iter().copied()).unwrap();
        let width = u16::try_from(all.len()).unwrap();
        prop_assert_eq!(entries(&bytes, width), Ok(all));
    }

    #[test]
    fn no_bytes_make_the_reader_of_bundles_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..2000), width: u16,
    ) {
        if let Ok(read) = entries(&bytes, width) {
            prop_assert_eq!(bundle(read), Ok(bytes.clone()));
        }
    }
}
