//! The table of codes: `00xx` reading files, `01xx` a resource by itself, `02xx` resources together, `03xx`
//! certificates, `04xx` what is known and not served.

use super::Explanation;

macro_rules! codes {
    ($($code:ident $number:literal $title:literal
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

codes! {
    PathNotRead 1 "path cannot be read"
        means "A path on the command line does not exist or cannot be opened."
        why "Nothing that was asked for may be left out unseen, so the command ends with status 2."
        example ""
        fix "Check the spelling of the path and its permissions."
    UnreadableFile 2 "unreadable file"
        means "A file in a folder cannot be opened, is not UTF-8, or is larger than 64 MiB."
        why "What it holds would be missing from the configuration."
        example ""
        fix "Save it as UTF-8, split it, or move it out of the folder."
    Syntax 3 "not YAML"
        means "The document does not follow YAML's grammar. It is left out; other documents of the file are still read."
        why "Indentation carries meaning: a line that stands one column off belongs to something else."
        example "selectors:\n- match:\n    kuma.io/service: edge\n   conf:"
        fix "Look at the line and the one before it: same level means same column."
    DuplicateKey 4 "key given twice"
        means "A map has the same key twice, or a field in both of its spellings."
        why "YAML forbids it, and readers differ in which of the two they take."
        example "tags:\n  version: \"1\"\n  version: \"2\""
        fix "Remove one."
    UnusableKey 5 "key that is no text"
        means "A key is a list, a map or empty."
        why "Resources are JSON objects, whose keys are texts. The usual cause is a template such as `{{ .Values.x }}`."
        example "port: {{ .Values.port }}"
        fix "Render templates first; quote the key otherwise."
    UnknownTag 6 "unknown YAML tag"
        means "A value has a tag such as `!secret`."
        why "Tags of other tools mean nothing to Kuma."
        example "value: !vault secret"
        fix "Render the file with the tool that knows the tag."
    Alias 7 "alias without an anchor"
        means "An alias `*name` or a merge key `<<` refers to something that is not there."
        why "The value would be empty. Anchors do not reach into other documents."
        example "tags: *common"
        fix "Define the anchor `&name` earlier in the same document."
    TooMuch 8 "too many values"
        means "A file is nested too deeply, or has too many values once its aliases are expanded."
        why "A few lines of aliases can stand for more values than there is memory."
        example "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]"
        fix "Write the values out, or split the file."
    NoResources 9 "no resources"
        means "The paths hold no document."
        why "An empty configuration is hardly what was meant."
        example ""
        fix "Name the folder that has the `*.yaml`, `*.yml` or `*.json` files."
    NotAResource 101 "not a resource"
        means "A document has neither `type` (Universal) nor `kind` (Kubernetes)."
        why "Nothing says what it is."
        example "name: edge"
        fix "Add `type: MeshGateway`, or move the file out of the folder."
    UnknownKind 102 "unknown kind"
        means "No kind of Kuma 2.14 has this name."
        why "It would configure nothing."
        example "type: MeshGatway"
        fix "Correct the spelling."
    UnknownVersion 103 "unknown API version"
        means "The `apiVersion` is missing or none that is known."
        why "Kinds of the same name exist in several APIs."
        example "apiVersion: kuma.io/v1beta1\nkind: MeshGateway"
        fix "Write `apiVersion: kuma.io/v1alpha1`."
    InvalidName 104 "invalid name"
        means "The name or the mesh of a resource is missing or has characters that Kuma refuses."
        why "Names become parts of host names and of Envoy's names."
        example "type: MeshGateway\nmesh: default\nname: Edge_Gateway"
        fix "Use lower-case letters, digits, `-` and `.`."
    WrongType 105 "value of the wrong type"
        means "A list, map, number or text stands where another of them is wanted."
        why "Kuma refuses the whole resource."
        example "listeners:\n  port: 8080"
        fix "Write the type that the message names."
    UnknownValue 106 "unknown value"
        means "A field takes only certain words, and this is none of them."
        why "Kuma refuses the whole resource. Words are written exactly so, in upper case where they are."
        example "protocol: http"
        fix "Use one of the words that the message lists."
    UnknownField 107 "unknown field"
        means "No field of the resource has this name."
        why "Kuma drops such a field in silence, and what it says is missing: `certificate:` for `certificates:` shows only as \"cannot be empty\"."
        example "tls:\n  mode: TERMINATE\n  certificate:\n  - secret: edge"
        fix "Correct the spelling, or move the field to where it belongs."
    UnquotedText 108 "text without quotes"
        means "A number or one of YAML's truth words (`yes`, `on`, `y`, `true`, …) stands where a text is wanted."
        why "Kuma reads YAML 1.1, makes it a number or a truth value, and refuses the resource."
        example "tags:\n  version: 2"
        fix "Put it in quotes: `version: \"2\"`."
    InvalidValue 109 "value that Kuma refuses"
        means "Kuma's own validator refuses the value; the message is Kuma's."
        why "Kuma does not take the resource."
        example "listeners:\n- port: 70000\n  protocol: HTTP"
        fix "Follow the message."
    InvalidSecret 110 "secret that is not base64"
        means "The data of a Secret cannot be decoded."
        why "The certificate in it cannot be served."
        example "type: Secret\nmesh: default\nname: edge\ndata: not base64!"
        fix "Encode the bytes with `base64 -w0`."
    ShellInSecret 111 "shell text in a secret"
        means "The data of a Secret is a shell command, `$(kumactl generate …)`, that no shell has run."
        why "Kuma's documentation shows it inside of a shell script. In a file it is only text."
        example "data:\n  value: \"$(kumactl generate tls-certificate … | base64 -w0)\""
        fix "Run `meshgate generate tls-certificate --type=server --hostname=… --key-file=- --cert-file=- | base64 -w0` and paste what it prints."
    UnusedSecret 112 "secret of another type"
        means "A Kubernetes Secret is not of the type `system.kuma.io/secret`."
        why "Kuma reads no others, not even `kubernetes.io/tls`: a listener that names it has no certificate."
        example "apiVersion: v1\nkind: Secret\ntype: kubernetes.io/tls"
        fix "Put key and certificate, PEM one after the other, into the key `value` of a Secret of type `system.kuma.io/secret`."
    TlsWithoutTls 113 "TLS listener without tls"
        means "A listener with the protocol TLS has no `tls`."
        why "Kuma accepts it and then fails to configure the gateway: `unsupported TLS mode \"NONE\"`."
        example "listeners:\n- port: 8443\n  protocol: TLS"
        fix "Add `tls` with a mode and, to terminate, certificates."
    CrossMeshProtocol 114 "cross-mesh listener that is not HTTP"
        means "A cross-mesh listener has the protocol TCP or TLS."
        why "Kuma accepts it and serves HTTP on it all the same."
        example "listeners:\n- port: 8080\n  protocol: TCP\n  crossMesh: true"
        fix "Write `protocol: HTTP`."
    MixedCrossMesh 115 "port for one and for all meshes"
        means "Some listeners of a port are cross-mesh and others are not."
        why "Kuma accepts it and takes `crossMesh` of the first listener for all of them."
        example "listeners:\n- {port: 8080, protocol: HTTP, crossMesh: true}\n- {port: 8080, protocol: HTTP, hostname: a.example.com}"
        fix "Give them ports of their own."
    IgnoredConnectionLimit 116 "connection limit that Kuma ignores"
        means "A port's connection limit stands on another listener than its first one."
        why "Kuma reads the limit of the first listener only, so there is none."
        example "listeners:\n- {port: 8080, protocol: HTTP, hostname: a.example.com}\n- {port: 8080, protocol: HTTP, hostname: b.example.com, resources: {connectionLimit: 100}}"
        fix "Write the limit on every listener of the port."
    HostnameOnTcp 117 "hostname on a TCP listener"
        means "A TCP listener has a hostname."
        why "A connection without TLS names no host, so all listeners of the port get all connections."
        example "listeners:\n- port: 5432\n  protocol: TCP\n  hostname: db.example.com"
        fix "Remove the hostname and use one listener on each port."
    AddressIsNoIp 118 "gateway address that is no IP address"
        means "The `networking.address` of a built-in gateway is a name."
        why "Envoy opens its ports on an address, and a name may mean another one tomorrow."
        example "networking:\n  address: gateway.internal"
        fix "Write the address that the gateway listens on; `127.0.0.1` for this machine only."
    DuplicateResource 201 "resource given twice"
        means "Two resources have the same kind, mesh and name."
        why "Which of them counts would depend on the order of the files."
        example ""
        fix "Remove one, or rename it."
    MissingSecret 202 "missing secret"
        means "A listener names a Secret that is not among the resources of its mesh."
        why "There is no certificate, so no client can connect."
        example "certificates:\n- secret: not-there"
        fix "Add the Secret, in the same mesh."
    ListenerWithoutRoute 203 "listener without a route"
        means "No route is attached to a listener."
        why "Every request to it is answered with 404."
        example ""
        fix "Add a MeshHTTPRoute whose `targetRef` names the gateway, or whose tags match the listener."
    MissingBackend 204 "missing backend"
        means "A route sends requests to a service that no Dataplane offers."
        why "These requests are answered with 500 or 503."
        example "backendRefs:\n- kind: MeshService\n  name: not-there"
        fix "Correct the name, or add the Dataplane of the service."
    SelectorTie 205 "several gateways for one Dataplane"
        means "Several MeshGateways match a Dataplane equally well."
        why "One of them is chosen by time or name, and the others open no port."
        example ""
        fix "Add a tag to the selector that shall win."
    GatewayUnused 206 "gateway without a Dataplane"
        means "No built-in gateway Dataplane has the tags of any selector of a MeshGateway."
        why "Nothing opens its listeners."
        example ""
        fix "Add a Dataplane with `networking.gateway: {type: BUILTIN, tags: …}`, or correct the selector."
    NoGateway 207 "Dataplane without a gateway"
        means "No MeshGateway selects a Dataplane that is a built-in gateway."
        why "It has nothing to listen on."
        example ""
        fix "Give a MeshGateway of the same mesh a selector that matches the Dataplane's tags."
    RouteUnattached 208 "route for no listener"
        means "A route names a gateway, tags or hostnames that no listener has, or is switched off by a newer kind of route."
        why "No request gets to its backends."
        example ""
        fix "Compare its target or selectors, and its hostnames, with the listeners and their merged tags."
    InvalidCertificate 301 "invalid certificate"
        means "A Secret does not hold one private key and its certificate as PEM."
        why "Kuma fails to configure the whole gateway; here the listener has no certificate."
        example ""
        fix "Put the server certificate, its chain and one private key into the Secret."
    NotServedKind 401 "kind that is not served"
        means "The kind is one of Kuma's, Istio's or Kubernetes', and has no effect here."
        why "It is an error where leaving it out could let a request in or send it elsewhere, and a warning where it could not."
        example "type: MeshProxyPatch\nmesh: default\nname: patches"
        fix "Remove it if its effect is not needed."
    NotServedField 402 "field that is not served"
        means "The field is one of Kuma's and has no effect here."
        why "It is an error where leaving it out could let a request in or send it elsewhere, and a warning where it could not."
        example "listeners:\n- port: 8080\n  protocol: HTTP\n  crossMesh: true"
        fix "Remove it if its effect is not needed."
}
