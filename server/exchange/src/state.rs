//! What a plugin remembers of a request between its phases.

use std::any::Any;

/// Values by type, each owned by the plugin whose type it is. Empty until a plugin puts something in.
#[derive(Default)]
pub struct State(Vec<Box<dyn Any>>);

impl State {
    /// Remembers a value in the place of an earlier one of its type.
    pub fn put<T: 'static>(&mut self, value: T) {
        match self.get_mut::<T>() {
            Some(slot) => *slot = value,
            None => self.0.push(Box::new(value)),
        }
    }

    /// The value of a type.
    pub fn get<T: 'static>(&self) -> Option<&T> {
        self.0.iter().find_map(|value| value.downcast_ref())
    }

    /// The value of a type, to change.
    pub fn get_mut<T: 'static>(&mut self) -> Option<&mut T> {
        self.0.iter_mut().find_map(|value| value.downcast_mut())
    }

    /// Takes the value of a type out.
    pub fn take<T: 'static>(&mut self) -> Option<T> {
        let index = self.0.iter().position(|value| value.is::<T>())?;
        self.0.swap_remove(index).downcast().ok().map(|value| *value)
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}
