//! A map that can't grow without bound.

use std::collections::HashMap;

/// State by key, for at most a given number of keys: those used least recently are forgotten first.
///
/// A plugin sees keys that others choose; memory for all of them it doesn't have.
#[derive(Debug)]
pub struct Table<V> {
    /// Keys used since the last turn, at most half of the capacity.
    young: HashMap<String, V>,
    /// Keys that were young before it.
    old: HashMap<String, V>,
    half: usize,
}

impl<V> Table<V> {
    /// A table for at most `capacity` keys; at least two.
    pub fn new(capacity: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), half: (capacity / 2).max(1) }
    }

    /// The value of a key; `new` makes it if there is none. What has to go for it is passed to `forget`.
    pub fn entry(&mut self, key: &str, new: impl FnOnce() -> V, forget: impl FnMut(V)) -> &mut V {
        if !self.young.contains_key(key) {
            let value = self.old.remove(key).unwrap_or_else(new);
            if self.young.len() >= self.half {
                let forgotten = std::mem::replace(&mut self.old, std::mem::take(&mut self.young));
                forgotten.into_values().for_each(forget);
            }
            return self.young.entry(key.to_owned()).or_insert(value);
        }
        self.young.entry(key.to_owned()).or_insert_with(new)
    }

    /// All values, in no order.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.young.values_mut().chain(self.old.values_mut())
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::Table;

    #[test]
    fn keeps_what_is_used_and_stays_small() {
        let mut table = Table::new(8);
        let mut forgotten = 0;
        for round in 0..1000 {
            *table.entry("often", || 0, |_| forgotten += 1) += 1;
            table.entry(&format!("once-{round}"), || 0, |_| forgotten += 1);
            assert!(table.len() <= 8);
        }
        assert_eq!(*table.entry("often", || 0, |_| ()), 1000);
        assert_eq!(forgotten + table.len(), 1001);
    }
}
