//! Sorting for the rare moments when a policy writes its list anew: in place, and without a way to panic, which the
//! standard library's has. (Heap sort.)

/// Sorts by a key.
pub(super) fn sort_by_key<T: Copy, K: Ord>(items: &mut [T], key: impl Fn(&T) -> K) {
    let count = items.len();
    for start in (0..count / 2).rev() {
        sink(items, start, count, &key);
    }
    for end in (1..count).rev() {
        swap(items, 0, end);
        sink(items, 0, end, &key);
    }
}

/// Lets an item go down to where those below it are no greater, among the first `end`.
fn sink<T: Copy, K: Ord>(items: &mut [T], start: usize, end: usize, key: &impl Fn(&T) -> K) {
    let mut place = start;
    loop {
        let children = (2 * place + 1..end).take(2);
        let Some(greatest) = children.max_by_key(|child| items.get(*child).map(key)) else { return };
        if items.get(greatest).map(key) <= items.get(place).map(key) {
            return;
        }
        swap(items, place, greatest);
        place = greatest;
    }
}

fn swap<T: Copy>(items: &mut [T], a: usize, b: usize) {
    if let (Some(one), Some(other)) = (items.get(a).copied(), items.get(b).copied())
        && let Some(place) = items.get_mut(a)
    {
        *place = other;
        if let Some(place) = items.get_mut(b) {
            *place = one;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_list_is_sorted() {
        let mut state = 1_u32;
        for length in 0..200 {
            let mut items: alloc::vec::Vec<u32> = (0..length)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    state >> 25
                })
                .collect();
            let mut expected = items.clone();
            expected.sort_unstable();
            sort_by_key(&mut items, |item| *item);
            assert_eq!(items, expected);
        }
    }
}
