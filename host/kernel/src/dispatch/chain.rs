//! The hooks on one system call, and which slots of the table lead to them.

/// The hooks on one call, the first to run first. `P` is a hook's program.
///
/// Each hook goes on at the slot of the one behind it, which is part of its program and can't be changed. A hook that
/// goes away therefore leaves its slot behind, which then leads to the next hook, as long as the hook before it is
/// there.
#[derive(Debug)]
pub(super) struct Chain<P>(Vec<Place<P>>);

#[derive(Debug)]
struct Place<P> {
    slot: u32,
    /// `None` if the hook has gone.
    program: Option<P>,
}

impl<P> Default for Chain<P> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<P> Chain<P> {
    /// Puts a hook first. It must go on at what was [`Chain::first`] before.
    pub(super) fn add(&mut self, slot: u32, program: P) {
        self.0.insert(0, Place { slot, program: Some(program) });
    }

    /// Takes a hook out; the slots that nothing leads to any more.
    pub(super) fn remove(&mut self, slot: u32) -> Vec<u32> {
        self.0.iter_mut().filter(|place| place.slot == slot).for_each(|place| place.program = None);
        let mut freed = Vec::new();
        let mut led_to = false;
        self.0.retain(|place| {
            let keep = place.program.is_some() || led_to;
            led_to = place.program.is_some();
            if !keep {
                freed.push(place.slot);
            }
            keep
        });
        freed
    }

    /// Where a new hook must go on.
    pub(super) fn first(&self) -> Option<u32> {
        self.0.first().map(|place| place.slot)
    }

    /// The program that the call itself leads to.
    pub(super) fn entry(&self) -> Option<&P> {
        self.0.iter().find_map(|place| place.program.as_ref())
    }

    /// Each slot with the program that it leads to.
    pub(super) fn slots(&self) -> impl Iterator<Item = (u32, Option<&P>)> {
        self.0.iter().enumerate().map(|(index, place)| {
            let behind = self.0.get(index..).unwrap_or_default();
            (place.slot, behind.iter().find_map(|place| place.program.as_ref()))
        })
    }

    /// Hooks that are there.
    pub(super) fn len(&self) -> usize {
        self.0.iter().filter(|place| place.program.is_some()).count()
    }

    pub(super) fn has(&self, slot: u32) -> bool {
        self.0.iter().any(|place| place.slot == slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Follows the table as the programs do: each hook goes on where the chain began when it was added.
    fn run(chain: &Chain<(char, Option<u32>)>) -> String {
        let mut ran = String::new();
        let mut at = chain.entry();
        while let Some((name, next)) = at {
            ran.push(*name);
            at = next.and_then(|next| chain.slots().find(|(slot, _)| *slot == next)?.1);
        }
        ran
    }

    /// Adds a hook for a capital letter and takes it out for the small one; what runs after that.
    fn after(steps: &str) -> String {
        let mut chain = Chain::default();
        let slot = |name: char| u32::from(name.to_ascii_uppercase());
        for step in steps.chars() {
            if step.is_uppercase() {
                let next = chain.first();
                chain.add(slot(step), (step, next));
            } else {
                chain.remove(slot(step));
            }
        }
        assert_eq!(chain.len(), run(&chain).len(), "{steps}");
        run(&chain)
    }

    #[test]
    fn hooks_come_and_go() {
        for (steps, expected) in [
            ("", ""),
            ("A", "A"),
            ("ABC", "CBA"),
            ("ABCc", "BA"),
            ("ABCb", "CA"),
            ("ABCa", "CB"),
            ("ABCba", "C"),
            ("ABCab", "C"),
            ("ABCabc", ""),
            ("ABaCbDc", "D"),
            ("ABCbDEc", "EDA"),
            ("AaB", "B"),
        ] {
            assert_eq!(after(steps), expected, "{steps}");
        }
    }

    #[test]
    fn replacing_again_and_again_needs_no_more_slots() {
        let mut chain = Chain::default();
        chain.add(0, ());
        for new in 1..100 {
            chain.add(new, ());
            chain.remove(new - 1);
            assert!(chain.slots().count() <= 2, "after {new}");
        }
        assert_eq!(chain.remove(99), [99, 98]);
    }
}
