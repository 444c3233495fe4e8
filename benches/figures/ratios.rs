//! How contenders are compared.

/// Round by round: what disturbs the machine for a while disturbs both sides of a round.
pub fn ratios(ours: &[f64], rival: &[f64]) -> Vec<f64> {
    ours.iter().zip(rival).map(|(ours, rival)| ours / rival).collect()
}
