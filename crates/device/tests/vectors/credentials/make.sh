#!/bin/sh
# Makes the certificates and keys of this folder, with OpenSSL 3.0. See README.md.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cat >"$work/ca.cnf" <<CNF
[ca]
default_ca = here
[here]
new_certs_dir = $work
database = $work/index
rand_serial = yes
default_md = sha256
policy = any
unique_subject = no
copy_extensions = none
[any]
commonName = optional
organizationName = optional
[root]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[device]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
authorityKeyIdentifier = keyid
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:broker.test, IP:192.0.2.7
[plain]
basicConstraints = critical, CA:FALSE
CNF
: >"$work/index"

p256="-algorithm EC -pkeyopt ec_paramgen_curve:P-256"
p384="-algorithm EC -pkeyopt ec_paramgen_curve:P-384"
rsa="-algorithm RSA -pkeyopt rsa_keygen_bits:"

# key NAME ALGORITHM...: makes NAME.key in PKCS#8
key() {
    name=$1; shift
    openssl genpkey "$@" -out "$name.key" 2>/dev/null
}

# sign NAME SUBJECT EXTENSIONS ISSUER [OPTIONS...]: makes NAME.crt for NAME.key
sign() {
    name=$1 subject=$2 extensions=$3 issuer=$4; shift 4
    openssl req -new -key "$name.key" -subj "$subject" -out "$work/csr"
    if [ "$issuer" = self ]; then by="-selfsign -keyfile $name.key"
    else by="-cert $issuer.crt -keyfile $issuer.key"; fi
    # shellcheck disable=SC2086
    openssl ca -batch -notext -config "$work/ca.cnf" -extensions "$extensions" $by \
        -startdate 20200101000000Z -enddate 20991231235959Z "$@" \
        -in "$work/csr" -out "$name.crt" 2>/dev/null
}

# shellcheck disable=SC2086
{
key root $p256;             sign root /CN=Test\ Root root self
key intermediate $p256;     sign intermediate /CN=Test\ Intermediate root root
key server $p256;           sign server /CN=broker.test server intermediate
key p256 $p256;             sign p256 "/O=Test/CN=SN-0001" device intermediate
key p384 $p384;             sign p384 /CN=SN-0384 device intermediate -md sha384
key rsa2048 ${rsa}2048;     sign rsa2048 /CN=SN-2048 device intermediate
key rsa1024 ${rsa}1024;     sign rsa1024 /CN=SN-1024 device intermediate
key ed25519 -algorithm ED25519; sign ed25519 /CN=SN-2551 device intermediate
key rsaca ${rsa}2048;       sign rsaca /CN=Test\ RSA\ CA root root
key rsapss ${rsa}4096;      sign rsapss /CN=SN-4096 device rsaca -sigopt rsa_padding_mode:pss
key bigca ${rsa}4096;       sign bigca /CN=Test\ Big\ CA root self
key underbig $p256;         sign underbig /CN=SN-0001 device bigca
cp p256.key nocn.key;       sign nocn /O=Test device intermediate
cp p256.key blankcn.key;    sign blankcn "/CN= " device intermediate
cp p256.key expired.key;    sign expired /CN=SN-0001 device intermediate -enddate 20210101000000Z
cp p256.key future.key;     sign future /CN=SN-0001 device intermediate -startdate 20900101000000Z
cp p256.key serveronly.key; sign serveronly /CN=SN-0001 server intermediate
key otherca $p256;          sign otherca /CN=Test\ Other\ CA root self
key server384 $p384;        sign server384 /CN=broker.test server otherca -md sha384
key serverrsa ${rsa}2048;   sign serverrsa /CN=broker.test server otherca -md sha512
# By a CA of Ed25519; only what it signed is kept.
key edca -algorithm ED25519; sign edca /CN=Test\ Ed25519\ CA root self -md null
cp server.key serverbyed.key; sign serverbyed /CN=broker.test server edca -md null
cp p256.key notca.key;      sign notca /CN=Test\ Intermediate plain root
}
# Signed by the key of notca, which is that of p256.
key undernotca $p256;       sign undernotca /CN=SN-0001 device notca

# The other encodings of the same keys.
openssl ec -in p256.key -out p256.sec1.key 2>/dev/null
openssl ec -in p384.key -out p384.sec1.key 2>/dev/null
openssl rsa -traditional -in rsa2048.key -out rsa2048.pkcs1.key 2>/dev/null
openssl pkcs8 -topk8 -in p256.key -passout pass:test -out p256.encrypted.key
openssl ec -in p256.key -aes128 -passout pass:test -out p256.sec1-encrypted.key 2>/dev/null

rm -f root.key rsaca.key bigca.key intermediate.key otherca.key \
    underbig.key nocn.key blankcn.key expired.key future.key serveronly.key notca.key \
    edca.key edca.crt serverbyed.key
