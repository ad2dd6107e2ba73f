//! The table of codes: `00xx` reading files, `01xx` a resource by itself, `02xx` resources together, `03xx`
//! certificates and virtual addresses, `04xx` what is known and not served, `05xx` a running gateway, `06xx`
//! and `07xx` Istio's resources.

mod certificates;
mod istio;
mod not_served;
mod reading;
mod resource;
mod running;
mod together;

use self::{
    certificates::certificates, istio::istio, not_served::not_served, reading::reading,
    resource::resource, running::running, together::together,
};
use super::Explanation;

macro_rules! codes {
    ([] $($code:ident $number:literal $title:literal
        means $means:literal
        why $why:literal
        example $example:literal
        fix $fix:literal)*) => {
        /// What kind of finding it is; the number never changes its meaning.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $(#[doc = $means] $code,)*
        }

        impl Code {
            /// All codes, by number.
            pub const ALL: &[Self] = &[$(Self::$code),*];

            /// The number after `MG`.
            pub fn number(self) -> u16 {
                match self {
                    $(Self::$code => $number,)*
                }
            }

            /// What to tell somebody who asks for it.
            pub fn explanation(self) -> Explanation {
                match self {
                    $(Self::$code => Explanation {
                        title: $title,
                        means: $means,
                        why: $why,
                        example: $example,
                        fix: $fix,
                    },)*
                }
            }
        }
    };
}

// Each file adds its rows and calls the next one.
reading! { [resource together certificates not_served running istio codes] }
