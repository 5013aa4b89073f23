//! The tree and its proofs: what is true is shown, and nothing else is.

use haechi_audit::tree::{
    CompactTree, ConsistencyProof, Hash, InclusionProof, Node, Nodes, ProofError, ProveError,
    SIZE_LIMIT, root,
};
use proptest::prelude::*;

use crate::trees::{Leaves, textbook_root};

const SIZE: u64 = 140;

#[test]
fn every_size_has_the_root_of_the_textbook() {
    let (mut leaves, mut grown) = (Leaves::new(SIZE), CompactTree::new());
    assert_eq!(grown.root(), Hash::empty_root());
    for size in 1..=SIZE {
        grown.push(leaves.0[usize::try_from(size - 1).unwrap()]);
        let expected = leaves.root(size);
        assert_eq!((grown.size(), grown.root()), (size, expected));
        assert_eq!(root(size, &mut leaves), Ok(expected));
        assert_eq!(CompactTree::restore(size, &mut leaves), Ok(grown.clone()));
    }
    assert_eq!(root(0, &mut leaves), Ok(Hash::empty_root()));
}

#[test]
fn a_growing_tree_tells_of_every_complete_subtree_once() {
    let (mut leaves, mut told) = (Leaves::new(SIZE), std::collections::BTreeMap::new());
    let mut tree = CompactTree::new();
    for leaf in leaves.0.clone() {
        tree.push_and_tell(leaf, |node, hash| assert_eq!(told.insert(node, hash), None));
    }
    let complete = (0..8).flat_map(|level| (0..SIZE >> level).map(move |index| (level, index)));
    assert_eq!(told.len(), complete.clone().count());
    for (level, index) in complete {
        let node = Node { level, index };
        assert_eq!(told.get(&node).copied(), leaves.node(node).ok(), "{node:?}");
    }
}

#[test]
fn every_entry_of_every_tree_is_proved() {
    let mut leaves = Leaves::new(SIZE);
    for size in 1..=SIZE {
        let root = leaves.root(size);
        for index in 0..size {
            let proof = InclusionProof::make(index, size, &mut leaves).unwrap();
            let leaf = leaves.0[usize::try_from(index).unwrap()];
            assert_eq!(proof.verify(leaf, root), Ok(()), "{index} of {size}");
        }
    }
}

#[test]
fn every_tree_is_proved_to_have_grown_from_every_older_one() {
    let mut leaves = Leaves::new(SIZE);
    let roots: Vec<Hash> = (0..=SIZE).map(|size| leaves.root(size)).collect();
    for new in 1..=SIZE {
        for old in 1..=new {
            let proof = ConsistencyProof::make(old, new, &mut leaves).unwrap();
            let [old_root, new_root] = [old, new].map(|size| roots[usize::try_from(size).unwrap()]);
            assert_eq!(proof.verify(old_root, new_root), Ok(()), "{old} to {new}");
        }
    }
}

#[test]
fn what_cannot_be_proved_is_not_asked_for() {
    let mut leaves = Leaves::new(8);
    for (index, size) in [(0, 0), (8, 8), (9, 8), (0, SIZE_LIMIT), (u64::MAX, u64::MAX)] {
        let expected = ProveError::NoSuchEntry { index, size };
        assert_eq!(InclusionProof::make(index, size, &mut leaves), Err(expected));
        let proof = InclusionProof { index, size, hashes: Vec::new() };
        let verdict = proof.verify(leaves.0[0], leaves.0[0]);
        assert_eq!(verdict, Err(ProofError::NoSuchEntry { index, size }));
    }
    for (old_size, new_size) in [(0, 0), (0, 8), (8, 7), (1, SIZE_LIMIT), (u64::MAX, u64::MAX)] {
        let expected = ProveError::NotOlder { old_size, new_size };
        assert_eq!(ConsistencyProof::make(old_size, new_size, &mut leaves), Err(expected));
        let proof = ConsistencyProof { old_size, new_size, hashes: Vec::new() };
        let verdict = proof.verify(leaves.0[0], leaves.0[0]);
        assert_eq!(verdict, Err(ProofError::NotOlder { old_size, new_size }));
    }
}

/// Lists of hashes that are not `hashes`, each one change away.
fn changed(hashes: &[Hash], bit: usize) -> Vec<(&'static str, Vec<Hash>)> {
    let mut all = vec![("one more", [hashes, &[Hash::empty_root()]].concat())];
    all.push(("one more in front", [&[Hash::empty_root()], hashes].concat()));
    for place in 0..hashes.len() {
        let mut flipped = hashes.to_vec();
        flipped[place] = flip(hashes[place], bit);
        all.push(("a bit", flipped));
        let mut fewer = hashes.to_vec();
        fewer.remove(place);
        all.push(("one less", fewer));
        if place > 0 {
            let mut swapped = hashes.to_vec();
            swapped.swap(place - 1, place);
            all.push(("two swapped", swapped));
        }
    }
    all
}

fn flip(hash: Hash, bit: usize) -> Hash {
    let mut bytes = *hash.as_bytes();
    bytes[bit / 8] ^= 1 << (bit % 8);
    Hash::from_bytes(bytes)
}

proptest! {
    #[test]
    fn a_changed_inclusion_proof_shows_nothing(
        size in 1_u64..600, place: prop::sample::Index, bit in 0_usize..256,
        other_index in 0_u64..700, other_size in 0_u64..700,
    ) {
        let mut leaves = Leaves::new(size);
        let index = u64::try_from(place.index(leaves.0.len())).unwrap();
        let (leaf, root) = (leaves.0[place.index(leaves.0.len())], leaves.root(size));
        let proof = InclusionProof::make(index, size, &mut leaves).unwrap();
        prop_assert_eq!(proof.verify(leaf, root), Ok(()));
        prop_assert!(proof.verify(flip(leaf, bit), root).is_err());
        prop_assert!(proof.verify(leaf, flip(root, bit)).is_err());
        for (change, hashes) in changed(&proof.hashes, bit) {
            let proof = InclusionProof { hashes, ..proof.clone() };
            prop_assert!(proof.verify(leaf, root).is_err(), "{}", change);
        }
        let other = InclusionProof { index: other_index, ..proof.clone() };
        prop_assert_eq!(other.verify(leaf, root).is_ok(), other_index == index);
        // A size whose path is of the same form cannot be told apart by the proof: it is the
        // checkpoint that binds size and root. With another root, none passes.
        let other = InclusionProof { size: other_size, ..proof };
        let grown = textbook_root(&Leaves::new(other_size).0);
        prop_assert_eq!(other.verify(leaf, grown).is_ok(), other_size == size);
    }

    #[test]
    fn a_changed_consistency_proof_shows_nothing(
        new_size in 1_u64..600, old in 1_u64..600, bit in 0_usize..256, other in 1_u64..700,
    ) {
        let old_size = 1 + old % new_size;
        let mut leaves = Leaves::new(new_size.max(other));
        let [old_root, new_root, other_root] =
            [old_size, new_size, other].map(|size| leaves.root(size));
        let proof = ConsistencyProof::make(old_size, new_size, &mut leaves).unwrap();
        prop_assert_eq!(proof.verify(old_root, new_root), Ok(()));
        prop_assert!(proof.verify(flip(old_root, bit), new_root).is_err());
        prop_assert!(proof.verify(old_root, flip(new_root, bit)).is_err());
        prop_assert_eq!(proof.verify(new_root, old_root).is_ok(), old_size == new_size);
        for (change, hashes) in changed(&proof.hashes, bit) {
            let proof = ConsistencyProof { hashes, ..proof.clone() };
            prop_assert!(proof.verify(old_root, new_root).is_err(), "{}", change);
        }
        let older = ConsistencyProof { old_size: other, ..proof.clone() };
        prop_assert_eq!(older.verify(other_root, new_root).is_ok(), other == old_size);
        let newer = ConsistencyProof { new_size: other, ..proof };
        prop_assert_eq!(newer.verify(old_root, other_root).is_ok(), other == new_size);
    }

    #[test]
    fn hashes_by_chance_prove_nothing_and_never_panic(
        index: u64, size: u64, bytes in proptest::collection::vec(any::<[u8; 32]>(), 0..70),
    ) {
        let hashes: Vec<Hash> = bytes.into_iter().map(Hash::from_bytes).collect();
        let (one, two) = (Hash::leaf(b"one"), Hash::leaf(b"two"));
        let proof = InclusionProof { index, size, hashes: hashes.clone() };
        prop_assert!(proof.verify(one, two).is_err());
        let proof = ConsistencyProof { old_size: index, new_size: size, hashes };
        prop_assert!(proof.verify(one, two).is_err());
    }
}
