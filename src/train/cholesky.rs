//! Whitening of a covariance by its Cholesky factor.

use ndarray::Array2;

/// The inverse of the lower Cholesky factor L of `covariance` = L Lᵀ (D × D, symmetric): it turns a random
/// vector of that covariance into one whose covariance is the identity. `None` when the matrix is not
/// positive definite.
pub(super) fn inverse_factor(covariance: &Array2<f64>) -> Option<Array2<f64>> {
    let size = covariance.nrows();
    let mut factor = Array2::<f64>::zeros((size, size));
    for row in 0..size {
        for column in 0..=row {
            let sum: f64 = (0..column)
                .map(|at| factor[(row, at)] * factor[(column, at)])
                .sum();
            let rest = covariance[(row, column)] - sum;
            factor[(row, column)] = if row == column {
                if rest.is_nan() || rest <= 0.0 {
                    return None;
                }
                rest.sqrt()
            } else {
                rest / factor[(column, column)]
            };
        }
    }
    let mut inverse = Array2::<f64>::zeros((size, size));
    for column in 0..size {
        for row in column..size {
            let sum: f64 = (column..row)
                .map(|at| factor[(row, at)] * inverse[(at, column)])
                .sum();
            let unit = if row == column { 1.0 } else { 0.0 };
            inverse[(row, column)] = (unit - sum) / factor[(row, row)];
        }
    }
    Some(inverse)
}

#[cfg(test)]
mod tests {
    use ndarray::array;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_whitened_has_the_identity_as_covariance(
            values in proptest::collection::vec(-3.0_f64..3.0, 36),
        ) {
            let root = Array2::from_shape_vec((6, 6), values).unwrap();
            let covariance = root.dot(&root.t()) + Array2::<f64>::eye(6) * 0.1;
            let whitening = inverse_factor(&covariance).unwrap();
            let identity = whitening.dot(&covariance).dot(&whitening.t());
            for ((row, column), value) in identity.indexed_iter() {
                let expected = if row == column { 1.0 } else { 0.0 };
                prop_assert!((value - expected).abs() < 1e-8, "{identity}");
                prop_assert!(row >= column || whitening[(row, column)] == 0.0);
            }
        }
    }

    #[test]
    fn a_known_factor_is_found_and_what_has_none_is_told() {
        // L = [[2, 0], [1, 3]].
        let found = inverse_factor(&array![[4.0, 2.0], [2.0, 10.0]]).unwrap();
        assert_eq!(found, array![[0.5, 0.0], [-0.5 / 3.0, 1.0 / 3.0]]);
        assert_eq!(inverse_factor(&array![[1.0, 2.0], [2.0, 1.0]]), None);
        assert_eq!(inverse_factor(&array![[f64::NAN]]), None);
    }
}
