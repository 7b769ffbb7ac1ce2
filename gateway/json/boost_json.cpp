// Boost.JSON without its shared library: this file is the library.
#include <boost/json/src.hpp>
