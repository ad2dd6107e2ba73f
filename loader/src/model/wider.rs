//! Hostnames that contain others, for looking them up instead of comparing all with all.

use policy::HostPattern;

/// The pattern and all that contain it, the narrowest first.
pub(crate) fn with_wider(pattern: &HostPattern) -> impl Iterator<Item = String> {
    let own = pattern.to_string();
    let mut rest = match pattern {
        HostPattern::Any => None,
        HostPattern::Exact(name) | HostPattern::Suffix(name) => Some(name.as_str().to_owned()),
    };
    let parents = std::iter::from_fn(move || {
        let (_, parent) = rest.as_deref()?.split_once('.').unwrap_or_default();
        if parent.is_empty() {
            rest = None;
            return Some("*".to_owned());
        }
        let wider = format!("*.{parent}");
        rest = Some(parent.to_owned());
        Some(wider)
    });
    std::iter::once(own).chain(parents)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wider_patterns_end_with_any() {
        for (pattern, wider) in [
            ("*", "*"),
            ("com", "com *"),
            ("*.b.com", "*.b.com *.com *"),
            ("a.b.com", "a.b.com *.b.com *.com *"),
        ] {
            let all: Vec<_> = with_wider(&pattern.parse().unwrap()).collect();
            assert_eq!(all.join(" "), wider);
        }
    }
}
