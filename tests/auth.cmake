# Who clients are: the chain, the proofs, and the file of users.
set(here ${CMAKE_CURRENT_SOURCE_DIR}/unit)
gw_test(auth_chain_test
  SOURCES support/doctest_main.cpp ${here}/broker-core/auth/auth_chain_test.cpp
  DEPS gw::auth_chain
  LABELS dev)

gw_test(auth_test
  SOURCES
    support/doctest_main.cpp ${here}/gateway/auth/auth_settings_test.cpp
    ${here}/gateway/auth/crypto_test.cpp ${here}/gateway/auth/jwt_test.cpp
    ${here}/gateway/auth/jwt_keys_test.cpp ${here}/gateway/auth/modules_test.cpp
    ${here}/gateway/auth/password_hash_test.cpp ${here}/gateway/auth/scram_test.cpp
    ${here}/gateway/auth/signed_cookie_test.cpp ${here}/gateway/auth/user_store_test.cpp
  DEPS gw::auth)

gw_fuzz_target(auth_fuzz
  SOURCES fuzz/auth_fuzz.cpp
  DEPS gw::auth_proofs
  SEEDS ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/seeds/auth)
