#![no_std]
//! The batch of events that crosses into a plugin.
