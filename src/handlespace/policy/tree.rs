//! A B+ tree of small entries in order: log n steps to insert and remove, the first ones at hand. Nodes that were freed
//! are used again, so that a pool that does not grow does not allocate.

use alloc::vec::Vec;

/// Entries or children of a node, at most.
const FULL: usize = 32;
/// A node with fewer is merged with a neighbour, if both fit into one.
const SPARSE: usize = 12;

/// Rank, turn and element in one number, in this order of importance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry(u128);

impl Entry {
    pub(super) const fn new(rank: u64, turn: u32, element: u32) -> Self {
        Self((rank as u128) << 64 | (turn as u128) << 32 | element as u128)
    }

    pub(super) const fn rank(self) -> u64 {
        (self.0 >> 64) as u64
    }

    pub(super) const fn turn(self) -> u32 {
        (self.0 >> 32) as u32
    }

    pub(super) const fn element(self) -> u32 {
        self.0 as u32
    }
}

/// Entries in order.
#[derive(Debug, Default)]
struct Leaf {
    entries: Vec<Entry>,
    next: Option<u32>,
}

/// Children in order, each with the greatest entry that it may hold.
#[derive(Debug, Default)]
struct Inner {
    bounds: Vec<Entry>,
    children: Vec<u32>,
}

/// The tree. Its height is 0 while the root is a leaf.
#[derive(Debug)]
pub(super) struct Tree {
    leaves: Vec<Leaf>,
    inners: Vec<Inner>,
    free_leaves: Vec<u32>,
    free_inners: Vec<u32>,
    root: u32,
    height: u32,
}

/// What has become of a node by an insertion: it may have been split, and this is the upper half's first bound.
struct Split {
    bound: Entry,
    right: u32,
}

impl Tree {
    pub(super) const fn new() -> Self {
        Self {
            leaves: Vec::new(),
            inners: Vec::new(),
            free_leaves: Vec::new(),
            free_inners: Vec::new(),
            root: 0,
            height: 0,
        }
    }

    fn new_leaf(&mut self) -> u32 {
        self.free_leaves.pop().unwrap_or_else(|| {
            self.leaves.push(Leaf::default());
            (self.leaves.len() - 1) as u32
        })
    }

    fn new_inner(&mut self) -> u32 {
        self.free_inners.pop().unwrap_or_else(|| {
            self.inners.push(Inner::default());
            (self.inners.len() - 1) as u32
        })
    }

    fn leaf(&mut self, node: u32) -> Option<&mut Leaf> {
        self.leaves.get_mut(node as usize)
    }

    fn inner(&mut self, node: u32) -> Option<&mut Inner> {
        self.inners.get_mut(node as usize)
    }

    /// The first entry.
    pub(super) fn first(&self) -> Option<Entry> {
        self.iter().next()
    }

    /// The entries, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = Entry> + '_ {
        let mut node = self.root;
        for _ in 0..self.height {
            node = self.inners.get(node as usize).and_then(|inner| inner.children.first()).copied().unwrap_or(0);
        }
        let mut leaf = self.leaves.get(node as usize);
        let mut entries = leaf.map(|leaf| leaf.entries.iter()).unwrap_or_default();
        core::iter::from_fn(move || {
            loop {
                if let Some(entry) = entries.next() {
                    return Some(*entry);
                }
                leaf = self.leaves.get(leaf?.next? as usize);
                entries = leaf?.entries.iter();
            }
        })
    }

    /// Inserts an entry that is not there.
    pub(super) fn insert(&mut self, entry: Entry) {
        if self.leaves.is_empty() {
            self.root = self.new_leaf();
        }
        let Some(split) = self.insert_into(self.root, self.height, entry) else { return };
        let (left, root) = (self.root, self.new_inner());
        if let Some(inner) = self.inner(root) {
            inner.bounds.extend([split.bound, Entry(u128::MAX)]);
            inner.children.extend([left, split.right]);
        }
        self.root = root;
        self.height += 1;
    }

    fn insert_into(&mut self, node: u32, height: u32, entry: Entry) -> Option<Split> {
        if height == 0 {
            let leaf = self.leaf(node)?;
            let at = leaf.entries.partition_point(|other| *other < entry);
            leaf.entries.insert(at, entry);
            return if leaf.entries.len() < FULL { None } else { self.split_leaf(node) };
        }
        let inner = self.inner(node)?;
        let at = inner.bounds.partition_point(|bound| *bound < entry);
        let child = *inner.children.get(at)?;
        let split = self.insert_into(child, height - 1, entry)?;
        // The child keeps what is up to the split's bound; its old bound is the new node's.
        let inner = self.inner(node)?;
        inner.bounds.insert(at, split.bound);
        inner.children.insert(at + 1, split.right);
        if inner.children.len() < FULL { None } else { self.split_inner(node) }
    }

    fn split_leaf(&mut self, node: u32) -> Option<Split> {
        let right = self.new_leaf();
        let leaf = self.leaf(node)?;
        let mut upper = core::mem::take(&mut leaf.entries);
        let mut lower = core::mem::take(&mut self.leaf(right)?.entries);
        // The node keeps the storage that it has; the other one's, if it was used before, takes the upper half.
        lower.clear();
        lower.extend(upper.drain(FULL / 2..));
        let bound = *upper.last()?;
        let leaf = self.leaf(node)?;
        leaf.entries = upper;
        let next = leaf.next.replace(right);
        let leaf = self.leaf(right)?;
        leaf.entries = lower;
        leaf.next = next;
        Some(Split { bound, right })
    }

    fn split_inner(&mut self, node: u32) -> Option<Split> {
        let right = self.new_inner();
        let mut new = core::mem::take(self.inner(right)?);
        let inner = self.inner(node)?;
        new.bounds.extend(inner.bounds.drain(FULL / 2..));
        new.children.extend(inner.children.drain(FULL / 2..));
        let bound = *inner.bounds.last()?;
        *self.inner(right)? = new;
        Some(Split { bound, right })
    }

    /// Removes an entry, if it is there.
    pub(super) fn remove(&mut self, entry: Entry) {
        self.remove_from(self.root, self.height, entry);
        while self.height > 0 {
            let Some(inner) = self.inners.get_mut(self.root as usize) else { return };
            let [only] = inner.children[..] else { return };
            inner.children.clear();
            inner.bounds.clear();
            self.free_inners.push(self.root);
            self.root = only;
            self.height -= 1;
        }
    }

    fn remove_from(&mut self, node: u32, height: u32, entry: Entry) -> Option<()> {
        if height == 0 {
            let leaf = self.leaf(node)?;
            if let Ok(at) = leaf.entries.binary_search(&entry) {
                leaf.entries.remove(at);
            }
            return Some(());
        }
        let inner = self.inner(node)?;
        let at = inner.bounds.partition_point(|bound| *bound < entry);
        let child = *inner.children.get(at)?;
        self.remove_from(child, height - 1, entry)?;
        if self.size(child, height - 1) < SPARSE {
            // With the right neighbour, or with the left one if it is the last.
            let last = self.inner(node)?.children.len() - 1;
            self.merge(node, height - 1, if at < last { at } else { at.checked_sub(1)? });
        }
        Some(())
    }

    fn size(&self, node: u32, height: u32) -> usize {
        match height {
            0 => self.leaves.get(node as usize).map_or(0, |leaf| leaf.entries.len()),
            _ => self.inners.get(node as usize).map_or(0, |inner| inner.children.len()),
        }
    }

    /// Puts the children `at` and `at + 1` of a node into one, if they fit.
    fn merge(&mut self, node: u32, height: u32, at: usize) -> Option<()> {
        let inner = self.inner(node)?;
        let (left, right) = (*inner.children.get(at)?, *inner.children.get(at + 1)?);
        if self.size(left, height) + self.size(right, height) >= FULL {
            return None;
        }
        let inner = self.inner(node)?;
        inner.children.remove(at + 1);
        inner.bounds.remove(at);
        if height == 0 {
            let mut gone = core::mem::take(self.leaf(right)?);
            let leaf = self.leaf(left)?;
            leaf.entries.append(&mut gone.entries);
            leaf.next = gone.next.take();
            *self.leaf(right)? = gone;
            self.free_leaves.push(right);
        } else {
            let mut gone = core::mem::take(self.inner(right)?);
            let inner = self.inner(left)?;
            inner.children.append(&mut gone.children);
            inner.bounds.append(&mut gone.bounds);
            *self.inner(right)? = gone;
            self.free_inners.push(right);
        }
        Some(())
    }

    /// Replaces an entry by a greater one. If it keeps its place that is all there is to do.
    pub(super) fn replace(&mut self, old: Entry, new: Entry) {
        if !self.replace_in_place(old, new) {
            self.remove(old);
            self.insert(new);
        }
    }

    fn replace_in_place(&mut self, old: Entry, new: Entry) -> bool {
        let mut node = self.root;
        let mut bound = Entry(u128::MAX);
        for _ in 0..self.height {
            let Some(inner) = self.inners.get(node as usize) else { return false };
            let at = inner.bounds.partition_point(|bound| *bound < old);
            let (Some(child), Some(child_bound)) = (inner.children.get(at), inner.bounds.get(at)) else {
                return false;
            };
            (node, bound) = (*child, bound.min(*child_bound));
        }
        let Some(leaf) = self.leaf(node) else { return false };
        let Ok(at) = leaf.entries.binary_search(&old) else { return false };
        let fits = new <= bound && leaf.entries.get(at + 1).is_none_or(|next| new < *next);
        if let Some(entry) = leaf.entries.get_mut(at).filter(|_| fits) {
            *entry = new;
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;

    use super::*;
    use crate::random::Random;

    #[test]
    fn it_holds_what_a_set_holds_in_the_same_order() {
        for seed in 0..20 {
            let mut random = Random::new(seed);
            let mut tree = Tree::new();
            let mut set: BTreeSet<Entry> = BTreeSet::new();
            // Growing and shrinking phases, up to some thousand entries.
            for step in 0..6_000u32 {
                let grow = random.u64() % 8 < if step / 1_500 % 2 == 0 { 6 } else { 2 };
                let range = 1 + random.u64() % 5_000;
                if grow {
                    let entry = Entry::new(random.u64() % range, (random.u64() % 3) as u32, step);
                    tree.insert(entry);
                    set.insert(entry);
                } else if let Some(entry) = set.range(Entry::new(random.u64() % range, 0, 0)..).next().copied() {
                    if random.u64().is_multiple_of(2) {
                        let new = Entry::new(entry.rank() + random.u64() % 50, entry.turn() + 1, entry.element());
                        tree.replace(entry, new);
                        set.remove(&entry);
                        set.insert(new);
                    } else {
                        tree.remove(entry);
                        set.remove(&entry);
                    }
                }
                if step % 97 == 0 {
                    assert!(tree.iter().eq(set.iter().copied()), "seed {seed}, step {step}");
                }
            }
            for entry in core::mem::take(&mut set) {
                tree.remove(entry);
            }
            assert_eq!(tree.iter().next(), None);
        }
    }
}
