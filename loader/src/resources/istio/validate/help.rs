//! What to write instead of what Istio refuses: its own words say what is wrong, and most of them no more.

/// A part of what Istio says, and what to do. The first that is found counts.
#[rustfmt::skip] // One row, one line.
const HELP: &[(&str, &str)] = &[
    ("header name cannot be empty", "write the name of a header, as `x-version`"),
    ("is not a valid header name", "a name has letters, digits and `-`, no spaces and no colons"),
    ("cannot set Host header", "write `:authority`, or `rewrite: {authority: …}`"),
    ("header cannot have \":\" prefix", "of the names with a colon only `:authority` can be set"),
    ("authority header cannot be set multiple times", "set it in one place: `rewrite: {authority: …}`, or the headers"),
    ("redirect may only specify one of uri", "keep `uri` for a whole path, or `prefixRewrite` for the part that matched"),
    ("redirect prefix_rewrite requires", "give every entry of `match` a `uri: {prefix: …}`, or write `uri`"),
    ("redirect must specify URI", "add `uri`, `authority`, `scheme`, `port` or `derivePort`"),
    ("invalid redirect scheme", "write `http` or `https`"),
    ("must be less than 1MB", "let a service send it"),
    ("rewrite may only contain one of", "keep one of `uri` and `uriRegexRewrite`"),
    ("rewrite must specify at least one", "add `uri`, `uriRegexRewrite` or `authority`"),
    ("UriRegexRewrite requires both", "give it both `match` and `rewrite`"),
    ("direct_response is required", "add `route: [{destination: {host: …}}]`, `redirect` or `directResponse`"),
    ("delegate HTTP route cannot contain delegate", "a delegate delegates no further: name the other one in the root"),
    ("http, tcp or tls must be provided", "add `http: [{route: [{destination: {host: …}}]}]`, `tls` or `tcp`"),
    ("cannot contain both", "keep one of them"),
    ("must not be set together", "keep one of them"),
    ("can not simultaneously", "keep one of them"),
    ("only one of", "keep one of them"),
    ("destination is required", "add `destination: {host: …}`"),
    ("invalid destination host", "a destination is one service: write its whole name"),
    ("must be in the range 1..65535", "write a port from 1 to 65535"),
    ("must be in the range 0..100", "write a percentage from 0 to 100"),
    ("is not in range 0..100", "write a percentage from 0 to 100"),
    ("must have a max value of 100", "write a percentage from 0 to 100"),
    ("must have a min value of 0", "write a percentage from 0 to 100"),
    ("is neither 0.0, nor in range", "write 0, or a percentage from 0.0001 to 100"),
    ("should be less than or equal to 100", "write a percentage from 0 to 100"),
    ("invalid namespace value", "a namespace has lower-case letters, digits and `-`; `.` is the Gateway's own, `*` any"),
    ("config namespace and dnsName", "write `namespace/host`, `./host`, or the host alone"),
    ("config namespace and gateway name", "write `namespace/name`, or the name alone"),
    ("invalid value for gateway name", "a name has lower-case letters, digits, `-` and `.`"),
    ("gateway must have at least one server", "add `servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: […]}]`"),
    ("must have valid port", "add `port: {number: …}`"),
    ("port is required", "add `port: {number: 80, name: http, protocol: HTTP}`"),
    ("must have at least one field", "say what is to hold, or remove it"),
    ("must have at least one host", "add `hosts: […]`"),
    ("tunnel protocol must be", "write `CONNECT`, or `POST` for a proxy that takes no CONNECT"),
    ("tunnel target host", "write a whole DNS name or an IP address"),
    ("must be non-negative", "write 0 for no limit"),
    ("duration must be greater than 1ms", "write 1ms or more; leave the field out for what holds without it"),
    ("to ms precision", "write whole milliseconds, as `1500ms`"),
    ("to seconds precision", "write whole seconds, as `60s`"),
    ("use client protocol must not be true", "remove `useClientProtocol`, or `h2UpgradePolicy`"),
    ("aggression should be greater than 0", "write `aggression: 1`"),
    ("locality weight must be in range", "write a share from 1 to 100, and leave out localities that get nothing"),
    ("total locality weight", "let the shares of an entry add up to 100"),
    ("overlap with previous", "leave one of them out: a locality is in one entry only"),
    ("must specify different regions", "write another region behind `to`"),
    ("failover only specif", "write the region alone, without zone and subzone"),
    ("should not contain '*'", "write the name of one region"),
    ("wildcard '*' number", "write `region/*` or `region/zone/*`"),
    ("must not contain empty region", "write `region`, `region/zone` or `region/zone/subzone`"),
    ("must not use topology label", "remove it: regions and zones count in any case"),
    ("CRL is not supported with credentialName", "put the list into the Secret as `ca.crl`, and remove `caCrl`"),
    ("CRL is not supported with SIMPLE", "remove `caCrl`: with SIMPLE clients show no certificate"),
    ("ignoring invalid cipher suites", "remove it: those of TLS 1.3 cannot be chosen, and others have OpenSSL's names"),
    ("subset name is invalid", "a name has lower-case letters, digits and `-`"),
    ("invalid tag key", "write a key of Kubernetes' labels, as `version` or `example.com/version`"),
    ("invalid tag value", "a value has letters, digits, `-`, `_` and `.`, 63 at most"),
    ("is not supported in selector", "write each label with its whole value"),
    ("string match should not be empty", "write the text, or `regex: .*` for any"),
    ("sourceNamespace match", "a namespace has lower-case letters, digits and `-`"),
    ("SNI host", "add the host to `hosts` of the VirtualService, or remove it here"),
    ("fault injection must have", "add `abort` or `delay`, or remove `fault`"),
    ("HTTP/2 abort fault injection", "write `httpStatus` or `grpcStatus`"),
    ("is not a supported HTTP method", "write `GET`, `POST` or another method in capitals, or `*`"),
    ("exportTo entry", "write `.`, `*` or the name of a namespace"),
    ("invalid host *", "write the name of the service"),
    ("CIDR addresses are allowed only", "write `resolution: STATIC`, or single addresses"),
    ("already defined", "give each port a name and a number of its own"),
    ("unsupported protocol", "write HTTP, HTTP2, GRPC, GRPC-WEB, HTTPS, TLS, MONGO or TCP"),
    ("address is required", "add `address`"),
    ("must not include ports", "remove `ports`: a socket has none"),
    ("exactly 1 service port", "make a ServiceEntry for each port"),
    ("is not defined by the service entry", "name a port of `ports` of the ServiceEntry"),
    ("is not a valid FQDN or an IP address", "write a whole DNS name, an IP address, or `unix:///path`"),
    ("hosts must be FQDN", "add `endpoints`, or write a name without `*`"),
    ("client certificate required", "add `clientCertificate` with the path of a file, or `credentialName`"),
    ("private key required", "add `privateKey` with the path of a file, or `credentialName`"),
    ("cannot specify CaCertificates", "remove `insecureSkipVerify`: with it no certificate is looked at"),
    ("cannot specify client certificates", "remove the files: all is in the Secret"),
    ("name required for HttpCookie", "add `name`"),
    ("cookie attribute name cannot be empty", "add `name`"),
    ("duplicate cookie attribute", "remove one of the two"),
    ("tableSize must be", "write `tableSize: 65537`, or another prime number below 5000011"),
    ("is required", "add it"),
];

/// What to do about something that Istio says.
pub(crate) fn help(text: &str) -> Option<&'static str> {
    let found = HELP.iter().find(|(part, _)| text.contains(part));
    found.map(|(_, help)| *help)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_row_hides_another() {
        for (index, (part, _)) in HELP.iter().enumerate() {
            let first = HELP.iter().position(|(other, _)| part.contains(other));
            assert_eq!(first, Some(index), "{part}");
        }
    }
}
