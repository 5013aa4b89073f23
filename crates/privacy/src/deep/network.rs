//! The network: pieces in, the number of the likeliest label of each out, and how sure that is.

use std::fmt;

use rten::{Model, NodeId, RunError, ValueOrView};
use rten_tensor::NdTensor;
use rten_tensor::prelude::*;

/// A network of the BERT family that labels pieces.
pub(super) struct Network {
    model: Model,
    /// Pieces, which of them count, and which of two texts they are of.
    pieces: NodeId,
    mask: Option<NodeId>,
    types: Option<NodeId>,
    logits: NodeId,
    labels: usize,
}

/// Why the network labelled nothing. No variant carries text.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// The network failed.
    #[error("the network failed")]
    Failed(#[source] Box<RunError>),
    /// What comes out is not one row of numbers for each piece, as long as there are labels.
    #[error("what the network says does not fit its labels")]
    Shape,
}

impl Network {
    /// `None` when the inputs are not those of a network of this family.
    pub(super) fn new(model: Model, labels: usize) -> Option<Self> {
        let pieces = model.find_node("input_ids")?;
        let (mask, types) = (model.find_node("attention_mask"), model.find_node("token_type_ids"));
        let logits = *model.output_ids().first()?;
        Some(Self { model, pieces, mask, types, logits, labels })
    }

    /// For each of `ids` the likeliest label, and how likely it is.
    pub(super) fn label(&self, ids: Vec<i32>) -> Result<Vec<(usize, f32)>, NetworkError> {
        let length = ids.len();
        let row = |values: Vec<i32>| NdTensor::from_data([1, length], values);
        let mut inputs: Vec<(NodeId, ValueOrView<'_>)> = vec![(self.pieces, row(ids).into())];
        inputs.extend(self.mask.map(|mask| (mask, row(vec![1; length]).into())));
        inputs.extend(self.types.map(|types| (types, row(vec![0; length]).into())));
        let outputs = self.model.run(inputs, &[self.logits], None);
        let outputs = outputs.map_err(|error| NetworkError::Failed(Box::new(error)))?;
        let logits = outputs.into_iter().next().and_then(|logits| logits.into_tensor::<f32>());
        let logits = logits.ok_or(NetworkError::Shape)?;
        if logits.shape() != [1, length, self.labels] {
            return Err(NetworkError::Shape);
        }
        Ok(logits.to_vec().chunks(self.labels).map(likeliest).collect())
    }
}

/// Nothing of the weights.
impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a network of {} labels", self.labels)
    }
}

/// The place of the largest of `logits`, and its share of their softmax.
fn likeliest(logits: &[f32]) -> (usize, f32) {
    let (mut best, mut largest) = (0, f32::NEG_INFINITY);
    for (index, logit) in logits.iter().enumerate() {
        if *logit > largest {
            (best, largest) = (index, *logit);
        }
    }
    let sum: f32 = logits.iter().map(|logit| (logit - largest).exp()).sum();
    (best, 1.0 / sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_is_the_likeliest_and_shares_add_up() {
        assert_eq!(likeliest(&[0.0, 0.0]), (0, 0.5));
        let (best, share) = likeliest(&[1.0, 101.0, 1.0]);
        assert_eq!((best, share), (1, 1.0));
    }
}
