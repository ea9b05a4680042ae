//! Turns gaps in sequence numbers into losses.

use std::collections::BTreeSet;

use serin_event::record::Loss;

/// How far a record may come late: a program that was preempted between taking
/// its number and writing its record lets those that preempted it go first.
/// More than the levels of scratch memory that a CPU has cannot be under way.
const LATE: u64 = 16;

/// Follows the sequence numbers of every CPU.
#[derive(Debug, Default)]
pub(crate) struct LossTracker {
    cpus: Vec<Cpu>,
}

#[derive(Debug, Default)]
struct Cpu {
    /// The highest number seen.
    highest: u64,
    /// Numbers below it that have not been seen yet.
    missing: BTreeSet<u64>,
    /// Numbers that can no longer come.
    proved: u64,
    /// Losses reported so far.
    reported: u64,
}

impl LossTracker {
    /// Takes note of a record; the losses that it proves.
    pub(crate) fn record(&mut self, cpu: u16, sequence: u64, time: u64) -> Option<Loss> {
        let state = self.cpu(cpu.into());
        if sequence <= state.highest {
            state.missing.remove(&sequence);
            return None;
        }
        // A gap wider than what can be late is a loss but for its end.
        let late_from = (state.highest + 1).max(sequence.saturating_sub(LATE));
        state.proved += late_from - (state.highest + 1);
        state.missing.extend(late_from..sequence);
        state.highest = sequence;
        let late = state.missing.split_off(&sequence.saturating_sub(LATE));
        state.proved += std::mem::replace(&mut state.missing, late).len() as u64;
        state.report(cpu, state.proved, time)
    }

    /// Compares with what a CPU counted as lost; the losses that no later
    /// record has proved yet.
    pub(crate) fn reconcile(&mut self, cpu: u16, lost: u64, time: u64) -> Option<Loss> {
        self.cpu(cpu.into()).report(cpu, lost, time)
    }

    fn cpu(&mut self, cpu: usize) -> &mut Cpu {
        if self.cpus.len() <= cpu {
            self.cpus.resize_with(cpu + 1, Cpu::default);
        }
        &mut self.cpus[cpu]
    }
}

impl Cpu {
    /// Reports what is not yet reported of the losses known by now.
    fn report(&mut self, cpu: u16, known: u64, time: u64) -> Option<Loss> {
        let count = known.saturating_sub(self.reported);
        self.reported += count;
        (count > 0).then_some(Loss { cpu, count, time })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(losses: impl IntoIterator<Item = Option<Loss>>) -> u64 {
        losses.into_iter().flatten().map(|loss| loss.count).sum()
    }

    #[test]
    fn records_in_order_or_slightly_out_of_it_are_no_loss() {
        for order in [vec![1, 2, 3, 4], vec![1, 3, 2, 4], vec![2, 1, 4, 3], vec![4, 3, 2, 1]] {
            let mut tracker = LossTracker::default();
            let found = count(order.iter().map(|&sequence| tracker.record(0, sequence, 0)));
            assert_eq!(found, 0, "{order:?}");
            assert_eq!(tracker.reconcile(0, 0, 0), None, "{order:?}");
        }
    }

    #[test]
    fn every_missing_number_is_reported_once() {
        let lost = [3, 4, 5, 40, 41, 100];
        let mut tracker = LossTracker::default();
        let delivered = (1..=200).filter(|sequence| !lost.contains(sequence));
        let by_gaps = count(delivered.map(|sequence| tracker.record(1, sequence, 0)));
        let later = count([tracker.reconcile(1, lost.len() as u64, 0)]);
        assert_eq!((by_gaps, later), (6, 0));
    }

    #[test]
    fn a_loss_with_nothing_behind_it_shows_when_reconciled() {
        let mut tracker = LossTracker::default();
        assert_eq!(tracker.record(0, 1, 0), None);
        assert_eq!(tracker.reconcile(0, 2, 7), Some(Loss { cpu: 0, count: 2, time: 7 }));
        assert_eq!(tracker.record(0, 4, 0), None, "2 and 3 are accounted for");
        let after: u64 = count((5..100).map(|sequence| tracker.record(0, sequence, 0)));
        assert_eq!(after + count([tracker.reconcile(0, 2, 0)]), 0);
    }

    #[test]
    fn a_wide_gap_costs_no_memory() {
        let mut tracker = LossTracker::default();
        let found = count([tracker.record(0, 1_000_000, 0)]);
        assert!(tracker.cpus[0].missing.len() <= LATE as usize);
        assert_eq!(found + count([tracker.reconcile(0, 999_999, 0)]), 999_999);
    }
}
