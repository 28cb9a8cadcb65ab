//! Room for others during long work.

/// How many steps of building a router are done between two offers.
const STEPS: usize = 64;

/// Offers the processor to threads that wait for it, at each 64th step of something long: building a configuration must
/// not keep requests waiting until the system's clock next looks who is to run.
#[inline]
pub fn offer_turn(step: usize) {
    if step % STEPS == STEPS - 1 {
        std::thread::yield_now();
    }
}
