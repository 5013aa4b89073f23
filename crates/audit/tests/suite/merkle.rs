//! Published vectors for the proofs of RFC 6962, of which most must be refused.
//!
//! They are read from the folder `HAECHI_VECTORS` names, or from `../shared/data/vectors` beside
//! the workspace. Elsewhere the test says what it left out; where `CI` is set they must be there.

use std::path::{Path, PathBuf};

use haechi_audit::tree::{ConsistencyProof, Hash, InclusionProof};
use serde_json::Value;

fn folder() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/vectors");
    #[expect(
        clippy::disallowed_methods,
        reason = "the vectors' place is a setting of the test run"
    )]
    let (named, ci) = (std::env::var_os("HAECHI_VECTORS"), std::env::var_os("CI"));
    let folder = named.map_or(beside, PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(ci.is_none_or(|ci| ci != "true"), "the vectors must be at {}", folder.display());
    println!("left out: the vectors of RFC 6962, which are not there");
    None
}

/// Every vector below the folder `kind`, by its path.
fn vectors(kind: &str) -> Vec<(PathBuf, Value)> {
    let Some(folder) = folder() else { return Vec::new() };
    let mut folders = vec![folder.join("rfc6962-merkle/testdata").join(kind)];
    let mut vectors = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let vector = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
                vectors.push((path, vector));
            }
        }
    }
    vectors
}

/// Some vectors have hashes that are none; reading them is where those are refused.
fn hash(value: &Value) -> Option<Hash> {
    value.as_str()?.parse().ok()
}

fn hashes(value: &Value) -> Option<Vec<Hash>> {
    value.as_array().map_or(Some(Vec::new()), |all| all.iter().map(hash).collect())
}

fn included(vector: &Value) -> Option<bool> {
    let (index, size) = (vector["leafIdx"].as_u64()?, vector["treeSize"].as_u64()?);
    let proof = InclusionProof { index, size, hashes: hashes(&vector["proof"])? };
    Some(proof.verify(hash(&vector["leafHash"])?, hash(&vector["root"])?).is_ok())
}

fn consistent(vector: &Value) -> Option<bool> {
    let (old_size, new_size) = (vector["size1"].as_u64()?, vector["size2"].as_u64()?);
    let proof = ConsistencyProof { old_size, new_size, hashes: hashes(&vector["proof"])? };
    Some(proof.verify(hash(&vector["root1"])?, hash(&vector["root2"])?).is_ok())
}

/// Accepted by one vector, refused here: what it calls roots are twelve bytes of text, not hashes.
fn refused_on_purpose(vector: &Value) -> bool {
    let roots = [&vector["root1"], &vector["root2"]];
    roots.iter().any(|root| root.is_string() && hash(root).is_none())
}

fn judge(kind: &str, accepts: fn(&Value) -> Option<bool>, counted: (usize, usize)) {
    let vectors = vectors(kind);
    let (mut accepted, mut refused) = (0, 0);
    for (path, vector) in &vectors {
        let expected = vector["wantErr"] == false && !refused_on_purpose(vector);
        assert_eq!(accepts(vector).unwrap_or(false), expected, "{}: {vector}", path.display());
        *(if expected { &mut accepted } else { &mut refused }) += 1;
    }
    if !vectors.is_empty() {
        assert_eq!((accepted, refused), counted, "how many vectors of {kind} there are");
    }
}

#[test]
fn inclusion_is_judged_as_the_vectors_say() {
    judge("inclusion", included, (6, 92));
}

#[test]
fn consistency_is_judged_as_the_vectors_say() {
    judge("consistency", consistent, (5, 93));
}
