#pragma once

#include <string_view>

/// Keys, and tokens that another library has signed with them: {"sub":"ann","exp":4102444800}.
namespace gw::auth::testing {

inline constexpr std::string_view rsa_pem =
    "-----BEGIN PUBLIC KEY-----\n"
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAn4iBlQfErGRBD15qJVlU\n"
    "lTUKs7ituUZus5kMm+tw1LzCm1ThhVIKGxhDuC2g8hXQRoNP7sCY0CHVvJOOXO5X\n"
    "3BMQ6wO9FLX8+8L/45ZE673rq7JdCRw+qY9CARUrSA/ZzA20a62FaptuKkl7LqKb\n"
    "hu1TogohSrGFbviqLnSmn0YCl5egHmpEhDAzfeuITVfYjgt9+Vw4pLUPhGbSM4Ke\n"
    "PnVi5sPno1p46gkvUUwK64BGoym60MMiRA5IM/P9kLYNikJaC4L03V88x4qoRJXq\n"
    "evx/hql5af0xuCdmSBA8+p1zBk+niecjlGrI7ReV1DIuLv16DUqBYnKk9IGjgUZ1\n"
    "ZQIDAQAB\n"
    "-----END PUBLIC KEY-----\n";
inline constexpr std::string_view es256_pem =
    "-----BEGIN PUBLIC KEY-----\n"
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEy7LkSIoBnA+m06s2wNfo3VKxesuN\n"
    "EoCw+r3B/0IXHPdEhvEYKXxaWBwWvUURZp7fqgSIKxCntrmPH19GGquaog==\n"
    "-----END PUBLIC KEY-----\n";
inline constexpr std::string_view es384_pem =
    "-----BEGIN PUBLIC KEY-----\n"
    "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAETF5J8NAk/DAUUTUbV9zb3hbCzLVDh7Ac\n"
    "J9Gr/uFwa4hbuNTxvJLDm4pkHK0IcfmjZDXUw6vBS0g9TLusWSuP37xvQfxJPMG9\n"
    "aGN8BkPSjqemd2VoJBwHjyyRTHO/DoVS\n"
    "-----END PUBLIC KEY-----\n";
inline constexpr std::string_view es512_pem =
    "-----BEGIN PUBLIC KEY-----\n"
    "MIGbMBAGByqGSM49AgEGBSuBBAAjA4GGAAQA3kIBVF22Z3ynMGPp9c2OQCndrxI1\n"
    "Cc1Hjwy3qbWuxK2UShJGvZ5Z+cHRMfKU/OpOZQEbhsNE2Ebg+gJjAS3pto8A8d8M\n"
    "m0lB9UXbq+WIO4dDT0NuEQPJSrDB8pXJbaFJKfqttlORycVPBxga1pbQdBr7BOq9\n"
    "E1L1C6LHaviqDaiBHaY=\n"
    "-----END PUBLIC KEY-----\n";
inline constexpr std::string_view ed25519_pem =
    "-----BEGIN PUBLIC KEY-----\n"
    "MCowBQYDK2VwAyEAoRRxS0FfDOlnfsYvLbNJGgyV5zcebVRCFf9S/MVGgxI=\n"
    "-----END PUBLIC KEY-----\n";
inline constexpr std::string_view small_rsa_pem =
    "-----BEGIN PUBLIC KEY-----\n"
    "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDPL/qEd/+9/3FMUbNZaOkN6EFC\n"
    "Y05QsGKXgec/QwTkIuZlJ1XmaiJOUIckSEUJ+3gUY/1fYx8XEoEhg1usmG9aJ/tw\n"
    "saOcHbaD7Po6lR6CBKJFX/DFS6t6xLszW99QrhnJWlefzi5JCchlCnrNDUPpyF8C\n"
    "AVpHCb5XDqwZx8hs8wIDAQAB\n"
    "-----END PUBLIC KEY-----\n";

struct SignedToken {
    std::string_view algorithm;
    std::string_view key;
    std::string_view token;
};

inline constexpr SignedToken signed_tokens[] = {
    {"RS256", rsa_pem,
     "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm4iLCJleHAiOjQxMDI0NDQ4MDB9.aoONl3NaGZ"
     "j0iZHA9YfA-3Zfx6Sb9PWuNm2CN95E7_D0g8-msXjd1j7RvSJVSGfXiprVGij-Swhk2YzsWJgbVpkclFb7rERRGm"
     "FAGwLVwOuhlH3sSBbWt6S3-4FLTqvSY863f7EQeVIZbxS2gQ0g5VFe-1WScD5F0NHY7XHnmw40QOKODCrmJfyNlc"
     "6sjjFMrEbUsWv_q5MeIClr-XuXrBslX2GX0sfrpBvNxD6-_0keTAXteyS4BbWNzkFXSu--MsUUnv3GdBfzNhEFaF"
     "rPZLl5N8Gr7wSHfQ6K0r0hBTARiGgL0XmgeSpkstQlcp5gkixlHPdnzQ_c2eM6UgymLw"},
    {"PS256", rsa_pem,
     "eyJhbGciOiJQUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm4iLCJleHAiOjQxMDI0NDQ4MDB9.FHv4-UqUJ2"
     "ydsI8D0J4QfY7_Amu--prYfJ4C-BwueOUGrbEVxQrfcWCRH6y7_s8myvMV4wFRD9pU2-uBxGa7fiVuGSBsIISnK3"
     "ZaYbxABW1JDrevz9RybRZ-FWeXv-SP1B19cWjCnmIIW5lhPFx986T6nxy9jAUFYvXHDTAhZB_0bc1H90BGAPeyas"
     "5fsdW1_-UnkG9Qqd_BcIQPaHOUPwDBMAIMURYZ_Pv8SYUgRHMfBnCveQrb__vKgXqkb-ConXYZBmPtKbGFoRW0VJ"
     "q3pHspbyDftDvmw-xdYCpHVxoJHLf6t6ys3hRyfg3W-yrHrjY7vwty6LwMiU1mK9eJag"},
    {"RS384", rsa_pem,
     "eyJhbGciOiJSUzM4NCIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm4iLCJleHAiOjQxMDI0NDQ4MDB9.ndmdlZJ65L"
     "btbYyoRW7l5hIJBeAHvFxUf9jZvyEz-KlQHZHWDnC_Ts_xAEeEyHvNwmsyLypVXGAtQ4OZJ38XHDY4fFgdKLg9RI"
     "PnRc0Fnt7gKoVQmL59Yy1YEDywwZKyCF_O5Wo3Vbeq2WVwVInIRCBBHhwaM0ya0OI8j8-v6zv16XjH2Ju56Z3BUz"
     "yCU_hP3r0Ozh0_4KB8eQxQNc5MnWx6HmrfSKM6PhDRo1y2FJ7FMmfpQgPtuQflPC4uf94V_e7UbHloXa6rF1oXfn"
     "XVawLAJxk2zEwoxKyA3IEY_aPUiXqni3z4SE5f-p13WJX7VksDH39-2k1a_GKs3NjDmA"},
    {"PS384", rsa_pem,
     "eyJhbGciOiJQUzM4NCIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm4iLCJleHAiOjQxMDI0NDQ4MDB9.bzgZL_FPnN"
     "y3npWBxbZZn8u66Sc7IIR-9oI-7knw0VIflziH6JXG7ZIbRXkABCp0eRWdq4cqgZlyokNn0CGqG7mDBAnGRmHJyi"
     "gGIHjzDrqYNlPJWYDPg-sh-kU8kz9STwrcJA9R1DMMdSCXxVzsZt-maKAfN_OZWPmOsGYRl3X7_11LJXcBmbUiVc"
     "d9umEF53Pyo6-ZOMKePTc1QF4fvyUGcEbXiIjh5ZbYR6v2LMJxuqbB98TNQi9yzlP5UlMB7SbsMvQhqk62Vf1i2N"
     "s6vSfgpztH2SQRLHES4bUEtEcScFDCWDJhcqSbhLLFaqtT7NmuLw6Fm9rRtfOPn8oksQ"},
    {"RS512", rsa_pem,
     "eyJhbGciOiJSUzUxMiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm4iLCJleHAiOjQxMDI0NDQ4MDB9.cjjwtceVpJ"
     "3DOeScVNI2UjqVkeUR8pxBNlUJFkGKdVpYj5BivLJBliPryksF5WxpERtGkkW8s9ByYCuSMf-q9bkcZL3mwHnLbu"
     "Zh5eqn5mposNVfhUdsdlVIlDAWATnFV-D3PLbnojUWRW8AP7ofp-HeFO63EqvI6MX33vfaU6Dbpn9qv0l5zEU1z8"
     "8gHcBEEoyg3rCw-4V3KSqkqX_ya25I6tEExIkG2v5VnhV8yzBtg7kd4AJMIuHzit34yG7rNlZpCivpsS-bPwsy31"
     "sR1ou3RoATwHp_bSN6LkP0O3dlP1pr0TPILK95T5wjRBwnMR03xE15kUJO17Skxi415A"},
    {"PS512", rsa_pem,
     "eyJhbGciOiJQUzUxMiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm4iLCJleHAiOjQxMDI0NDQ4MDB9.hOspFM-_Y2"
     "ZQMK44DScXB9GhAAFrjLkxocGIkmkmoD3ew1g0R0kO__z99-eHJ71kRBkRuCxOlxDU_Uwyd-OaL5QgFe8GV1p7SS"
     "I909du9W2qDRNd0oVvjIl6201IYhBDY53fqae9eh05HYXYc3BharMxmK2mpAvk7mT8s_wxIvZI16-zohB8ZioKZd"
     "y8wYhaDTEJyOb63iVseKGSkTpSyMZqlbqnzft6tuvD69ZPSpwzeeJMEoAYgzXhCTkKTzAZJC8VLOJirfq66e7SaJ"
     "5MkD4CQtthLAD5W5lLgYFAzjRki4VfHGB02fFDoDxXo7y7_N_KMSSvmVjb6n4LMKg1mQ"},
    {"ES256", es256_pem,
     "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm4iLCJleHAiOjQxMDI0NDQ4MDB9.0ArR9tHrZ_"
     "kY3XNXMoPKmtYgnQNUTLlpO1AZHgnMlYXGZjwdMZonA-sZ6ht1JqPZgAE3MPhd7SIoLoVe-CNJlw"},
    {"ES384", es384_pem,
     "eyJhbGciOiJFUzM4NCIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm4iLCJleHAiOjQxMDI0NDQ4MDB9.j0OwByAbPX"
     "i9ZZml1KpeMd0a54uCmFkNjv3dFXkJJdzIEe24ewyPuh8Z3pSLRQ-4B95lagdo-qgt1N5YZWuQ91hPtSqtKtdYnY"
     "w6HGMV3Jw_Go6XSYHiBhBTo9ceeFbK"},
    {"ES512", es512_pem,
     "eyJhbGciOiJFUzUxMiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm4iLCJleHAiOjQxMDI0NDQ4MDB9.ABKFl6W3Hs"
     "EX5nirLFIFSgwT6tFeXduXwXw3RSfRZy1ponvirQIwFD7nS35854z-9wnHs-d4kTIYvTrLKXhM5GU5AA05eeFkUU"
     "07ZIyG0OHf0hPgDL5Jq7LnYepxBOChkcAZHywrOw3lqNDWQ-zCuQGjC53hdt-7LOi6GmV028ix_UiD"},
    {"EdDSA", ed25519_pem,
     "eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm4iLCJleHAiOjQxMDI0NDQ4MDB9.HgA8Ruwiai"
     "zXZGCF8ZXObqgqt7xby9aAijvmm8B5QZqfwcS8RyoXFFDbf3dKSzkDykZxMC2D5JHG11vhpJiKBg"},
};

}  // namespace gw::auth::testing
