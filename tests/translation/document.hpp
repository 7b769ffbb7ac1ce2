#pragma once

#include <string>

namespace gw::test {

/// docs/protocols/translation.md as it stands.
std::string translation_document();
/// The same with everything in it that is generated, made anew from the tables of the adapters.
std::string translation_document_made_anew();
/// Writes that to where the document stands.
void write_translation_document();

}  // namespace gw::test
