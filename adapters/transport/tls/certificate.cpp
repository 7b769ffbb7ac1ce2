#include "adapters/transport/tls/certificate.hpp"

#include "broker-core/base/utf8.hpp"

#include <openssl/asn1.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <ctime>
#include <utility>

namespace gw::transport {

namespace {

using NamesPtr = std::unique_ptr<GENERAL_NAMES, OpensslDeleter<GENERAL_NAMES_free>>;

/// Empty when it could be taken for another text.
std::string clean(std::string_view text) {
    return is_valid_utf8(as_bytes(text)) ? std::string{text} : std::string{};
}

std::string text_of(const ASN1_STRING* value) {
    unsigned char* bytes = nullptr;
    const int size = ASN1_STRING_to_UTF8(&bytes, value);
    if (size < 0) {
        return {};
    }
    std::string text =
        clean({reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size)});
    OPENSSL_free(bytes);
    return text;
}

std::string common_name_of(const X509_NAME* subject) {
    const int first = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (first < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, first) >= 0) {
        return {};
    }
    return text_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, first)));
}

std::string address_text(const ASN1_OCTET_STRING* bytes) {
    const unsigned char* const data = ASN1_STRING_get0_data(bytes);
    if (ASN1_STRING_length(bytes) == 4) {
        return IpAddress::from_v4({data[0], data[1], data[2], data[3]}).text();
    }
    if (ASN1_STRING_length(bytes) != 16) {
        return {};
    }
    IpAddress address;
    std::copy_n(data, address.bytes.size(), address.bytes.begin());
    return address.text();
}

void add_name(std::vector<std::string>& names, std::string_view kind, const std::string& text) {
    if (!text.empty()) {
        names.push_back(std::string{kind} + text);
    }
}

std::vector<std::string> alternative_names_of(const X509& certificate) {
    std::vector<std::string> texts;
    const NamesPtr names{static_cast<GENERAL_NAMES*>(
        X509_get_ext_d2i(&certificate, NID_subject_alt_name, nullptr, nullptr))};
    const int count = names ? sk_GENERAL_NAME_num(names.get()) : 0;
    for (int i = 0; i < count; ++i) {
        const GENERAL_NAME* const name = sk_GENERAL_NAME_value(names.get(), i);
        switch (name->type) {
            case GEN_DNS:
                add_name(texts, "DNS:", text_of(name->d.dNSName));
                break;
            case GEN_URI:
                add_name(texts, "URI:", text_of(name->d.uniformResourceIdentifier));
                break;
            case GEN_EMAIL:
                add_name(texts, "email:", text_of(name->d.rfc822Name));
                break;
            case GEN_IPADD:
                add_name(texts, "IP:", address_text(name->d.iPAddress));
                break;
            default:
                break;  // kinds that no rule can name
        }
    }
    return texts;
}

std::string fingerprint_of(const X509& certificate) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (X509_digest(&certificate, EVP_sha256(), digest, &size) != 1) {
        return {};
    }
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    for (unsigned i = 0; i < size; ++i) {
        text += digits[digest[i] >> 4];
        text += digits[digest[i] & 15];
    }
    return text;
}

}  // namespace

std::string subject_of(const X509& certificate) {
    const BioPtr bio{BIO_new(BIO_s_mem())};
    // Letters beyond ASCII stay as they are; all that RFC 4514 wants escaped is.
    const unsigned long flags = XN_FLAG_RFC2253 & ~static_cast<unsigned long>(ASN1_STRFLGS_ESC_MSB);
    if (!bio || X509_NAME_print_ex(bio.get(), X509_get_subject_name(&certificate), 0, flags) < 0) {
        return {};
    }
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &data);
    return size > 0 ? clean({data, static_cast<std::size_t>(size)}) : std::string{};
}

TransportIdentityPtr identity_of(const X509& certificate) {
    TransportIdentity identity;
    identity.common_name = common_name_of(X509_get_subject_name(&certificate));
    identity.subject = subject_of(certificate);
    identity.alternative_names = alternative_names_of(certificate);
    identity.fingerprint = fingerprint_of(certificate);
    return std::make_shared<const TransportIdentity>(std::move(identity));
}

TransportIdentityPtr identity_of_psk(std::string identity) {
    TransportIdentity known;
    known.psk_identity = std::move(identity);
    return std::make_shared<const TransportIdentity>(std::move(known));
}

WallTime expiry_of(const X509& certificate) {
    std::tm when{};
    if (ASN1_TIME_to_tm(X509_get0_notAfter(&certificate), &when) != 1) {
        return WallTime{};
    }
    return std::chrono::time_point_cast<Milliseconds>(
        std::chrono::system_clock::from_time_t(::timegm(&when)));
}

}  // namespace gw::transport
